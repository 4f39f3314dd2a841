// A1: worker.terminate() in the middle of a job. The process lives, the job stops at its next poll,
// what the environment held is freed.
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';

import { encoderSpec, loadModule, median, packTexts, seededRandom } from './harness.mjs';

const kinds = ['encode', 'step', 'load', 'save', 'search'];
const tiles = 2_000;
const tileMs = 5;
// A job that runs on to its end is what this row looks for: how many tiles may still begin depends
// on how soon the worker stops its own JavaScript, and is reported.
const tilesAllowed = tiles / 2;

const startJob = {
  encode: async (addon) => {
    const encoder = await addon.loadEncoder(encoderSpec, 0);
    void encoder.embed(...packTexts(['one', 'two']), undefined, 1, () => {});
  },
  step: (addon) => void addon.runTiles({ tiles, tileMs, work: 'matmul' }, 1, () => {}),
  load: (addon) => void addon.loadEncoder(encoderSpec, 1),
  save: (addon) => void addon.runTiles({ tiles, tileMs, work: 'write' }, 1),
  search: (addon) => void addon.runTiles({ tiles, tileMs, work: 'sleep' }, 1),
};

if (!isMainThread && workerData?.row === 'A1') {
  const addon = loadModule(workerData.module);
  await startJob[workerData.kind](addon);
  for (let i = 0; i < 3; ++i) void addon.runTiles({ tiles, tileMs, work: 'sleep' }, 2);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port, not a window
  parentPort.postMessage('started');
}

async function terminateOne(addon, module, kind, waitMs) {
  const jobsBefore = addon.counters().jobs;
  const worker = new Worker(new URL(import.meta.url), { workerData: { row: 'A1', module, kind } });
  const failed = new Promise((_, reject) => worker.once('error', reject));
  failed.catch(() => {});
  await Promise.race([new Promise((done) => worker.once('message', done)), failed]);
  const skipped = kind === 'encode' ? 1 : 0; // its load is a job of its own
  while (addon.counters().jobs < jobsBefore + 1 + skipped) {
    await new Promise((done) => setTimeout(done, 1));
  }
  await new Promise((done) => setTimeout(done, waitMs));
  const tilesBefore = addon.counters().tiles;
  const began = performance.now();
  await worker.terminate();
  const milliseconds = performance.now() - began;
  const atEnd = addon.counters().tiles;
  return { milliseconds, tilesAfter: atEnd - tilesBefore, atEnd };
}

/** @param {number} count terminations of each of the five kinds */
export async function terminateWorkers(tally, { module, count, seed }) {
  const addon = loadModule(module);
  const random = seededRandom(seed);
  const times = [];
  let mostTiles = 0;
  let memory = 0;
  for (let i = 0; i < count; ++i) {
    for (const kind of kinds) {
      addon.configureEncoder({
        loadTiles: kind === 'load' ? tiles : 0,
        embedTiles: tiles,
        tileMs,
        bytes: 1 << 20,
      });
      const { milliseconds, tilesAfter, atEnd } = await terminateOne(
        addon,
        module,
        kind,
        random() * 20,
      );
      times.push(milliseconds);
      mostTiles = Math.max(mostTiles, tilesAfter);
      tally.check(tilesAfter <= tilesAllowed, () => `${kind}: ${tilesAfter} tiles after terminate`);
      await new Promise((done) => setTimeout(done, 3 * tileMs));
      tally.check(addon.counters().tiles === atEnd, () => `${kind}: the lane outlived its worker`);
    }
    if (i === Math.min(2, count - 1)) memory = process.memoryUsage.rss();
  }
  const { liveEncoders, wakesAfterClosing } = addon.counters();
  tally.check(liveEncoders === 0, () => `${liveEncoders} encoders outlive their environments`);
  tally.check(wakesAfterClosing === 0, () => `${wakesAfterClosing} wakes after closing`);
  const grown = (process.memoryUsage.rss() - memory) / 2 ** 20;
  tally.check(grown < 64 + count / 2, () => `RSS grew by ${grown.toFixed(0)} MB`);
  tally.notes = {
    terminations: count * kinds.length,
    medianMs: Number(median(times).toFixed(1)),
    mostMs: Number(Math.max(...times).toFixed(1)),
    mostTilesAfter: mostTiles,
    rssGrownMb: Number(grown.toFixed(1)),
  };
}
