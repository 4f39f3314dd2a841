// A7: tensors of 1 MB that nobody disposes: V8 knows of them, so the collector runs in time.
import { loadModule, turn } from './harness.mjs';

const bytes = 1 << 20;
const liveCount = 32;
const slack = 128 * 2 ** 20;

/** @param {number} count tensors made, every sixteenth one read through an external buffer too */
export async function neverDispose(tally, { module, count }) {
  const addon = loadModule(module);
  await (await addon.makeTensor(bytes)).values();
  const base = process.memoryUsage.rss();
  const limit = 1.5 * liveCount * bytes + slack;
  const live = [];
  let peak = 0;
  for (let i = 0; i < count; ++i) {
    const tensor = await addon.makeTensor(bytes);
    live[i % liveCount] = tensor;
    if (i % 16 === 0) {
      const values = await tensor.values();
      if (values.length !== bytes / 4 || values[values.length - 1] !== 1)
        tally.fail('wrong values');
    }
    peak = Math.max(peak, process.memoryUsage.rss() - base);
    if (i % 64 === 0) await turn();
    if (peak > 2 * limit) break; // enough seen: the machine is not to be filled
  }
  tally.trials += count;
  const megabytes = (value) => Math.round(value / 2 ** 20);
  if (peak > limit) {
    tally.fail(`peak ${megabytes(peak)} MB above the start, limit ${megabytes(limit)} MB`);
  }
  tally.notes = { peakMb: megabytes(peak), limitMb: megabytes(limit), liveMb: liveCount };
}
