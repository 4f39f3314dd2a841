// The lane's own promises: call order (6.3), cancellation (6.4), dispose (6.5).
import {
  SimgptError,
  encoderSpec,
  errorOf,
  loadModule,
  packTexts,
  seededRandom,
} from './harness.mjs';
import { untilRunning } from './harness.mjs';

/** 6.3: jobs run and answer in call order. */
export async function order(tally, { module, count }) {
  const addon = loadModule(module);
  const answered = [];
  const places = [];
  const jobs = [];
  for (let i = 0; i < count; ++i) {
    const job = addon.runTiles({ tiles: 1, tileMs: i === 0 ? 20 : 0, work: 'sleep' }, 0);
    jobs.push(job.then((place) => void answered.push(i) + void places.push(place)));
  }
  await Promise.all(jobs);
  for (let i = 0; i < count; ++i) {
    tally.check(answered[i] === i, () => `job ${answered[i]} answered in place ${i}`);
    if (i > 0) tally.check(places[i] > places[i - 1], () => `job ${i} ran before job ${i - 1}`);
  }
}

/** 6.4: a running job stops at its next poll, a waiting one never runs; others are untouched. */
export async function cancellation(tally, { module, count, seed }) {
  const addon = loadModule(module);
  const random = seededRandom(seed);
  const long = { tiles: 2_000, tileMs: 2, work: 'sleep' };
  for (let i = 0; i < count; ++i) {
    const jobsBefore = addon.counters().jobs;
    const running = errorOf(() => addon.runTiles(long, 1));
    const waiting = errorOf(() => addon.runTiles(long, 2));
    const other = errorOf(() => addon.runTiles({ ...long, tiles: 1 }, 3));
    await untilRunning(addon, jobsBefore);
    const first = random() < 0.5 ? 1 : 2;
    addon.cancel(first);
    addon.cancel(first);
    const tilesAtCancel = addon.counters().tiles;
    if (first === 2) {
      tally.check((await waiting)?.code === 'cancelled', 'a waiting job was not cancelled');
      addon.cancel(1);
    } else {
      const error = await running;
      const ran = addon.counters().tiles - tilesAtCancel;
      tally.check(
        error instanceof SimgptError && error.code === 'cancelled' && ran < long.tiles / 2,
        () => `a running job: ${String(error)}, ${ran} tiles after its cancellation`,
      );
      addon.cancel(2);
    }
    await Promise.all([running, waiting]);
    tally.check((await other) === undefined, 'another job was cancelled too');
    const ran = addon.counters().jobs - jobsBefore;
    tally.check(first === 1 || ran <= 2, () => `${ran} bodies began, the cancelled one with them`);
  }
}

/** 6.5: dispose runs after the jobs called before it; later calls are refused; twice is fine. */
export async function disposal(tally, { module, count }) {
  const addon = loadModule(module);
  for (let i = 0; i < count; ++i) {
    addon.configureEncoder({ embedTiles: 2, tileMs: 1 });
    const encoder = await addon.loadEncoder(encoderSpec, 0);
    const events = [];
    const note = (name) => () => void events.push(name);
    const embed = encoder.embed(...packTexts(['a', 'bc']), undefined, 0);
    const all = [
      embed.then(note('embed')),
      encoder.dispose().then(note('dispose')),
      encoder.dispose().then(note('again')),
    ];
    const refused = await errorOf(() => encoder.embed(...packTexts(['a']), undefined, 0));
    const outcome = await errorOf(() => Promise.all(all));
    tally.check(outcome === undefined, () => `a dispose failed: ${String(outcome)}`);
    tally.check(refused?.code === 'disposed', () => `a call after dispose: ${String(refused)}`);
    tally.check(events.join() === 'embed,dispose,again', () => `order ${events.join()}`);
    tally.check(addon.counters().liveEncoders === 0, 'the encoder is still in memory');
    tally.check((await errorOf(() => encoder.dispose())) === undefined, 'a third dispose failed');
  }
}
