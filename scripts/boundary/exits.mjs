// A4: the process ends with live jobs: the code asked for, no signal of our making.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { encoderSpec, loadModule, median, packTexts } from './harness.mjs';

const watchdogMs = 60_000;
const long = { tiles: 5_000, tileMs: 5, work: 'matmul' };

// Each runs in a child of its own; `jobs` is how many long jobs are alive when it ends.
const ways = {
  exit: { code: 7, run: (addon) => startLong(addon, () => process.exit(7)) },
  exitInProgress: {
    code: 8,
    run: (addon) => void addon.runTiles(long, 1, () => process.exit(8)),
  },
  exitInFinalizerTurn: {
    code: 9,
    run: async (addon) => {
      for (let i = 0; i < 50; ++i) await addon.makeTensor(1 << 20);
      startLong(addon, () => process.exit(9));
    },
  },
  disposeInExit: {
    code: 6,
    run: async (addon) => {
      const encoder = await addon.loadEncoder(encoderSpec, 0);
      process.on('exit', () => void encoder.dispose());
      startLong(addon, () => process.exit(6));
    },
  },
  natural: {
    code: 0,
    run: async (addon) => {
      const encoder = await addon.loadEncoder(encoderSpec, 0);
      void encoder.embed(...packTexts(['a']), undefined, 0);
      void addon.runTiles({ tiles: 5, tileMs: 5, work: 'matmul' }, 1);
    },
  },
  idle: { code: 0, run: () => {} },
  uncaught: {
    code: 1,
    run: (addon) =>
      startLong(addon, () => {
        throw new Error('on purpose');
      }),
  },
  rejected: {
    code: 1,
    run: (addon) => void addon.runTiles(long, 1, () => addon.cancel(1)),
  },
  sigterm: {
    signal: 'SIGTERM',
    run: (addon) => startLong(addon, () => process.kill(process.pid, 'SIGTERM')),
  },
  sigtermHandled: {
    code: 143,
    run: (addon) => {
      process.once('SIGTERM', () => process.exit(143));
      startLong(addon, () => process.kill(process.pid, 'SIGTERM'));
    },
  },
};

function startLong(addon, then) {
  let seen = false;
  const onProgress = () => {
    if (seen) return;
    seen = true;
    setImmediate(() => {
      process.stdout.write(`leaving ${Date.now()}\n`);
      then();
    });
  };
  addon.runTiles(long, 2, onProgress).catch(() => {});
}

const [, file, way, module] = process.argv;
if (file === fileURLToPath(import.meta.url)) await ways[way].run(loadModule(module));

function runChild(name, modulePath) {
  return new Promise((done) => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), name, modulePath], {
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: watchdogMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.once('exit', (code, signal) => {
      const left = /leaving (\d+)/.exec(output);
      done({ code, signal, milliseconds: left === null ? null : Date.now() - Number(left[1]) });
    });
  });
}

/** @param {number} count ends, spread over the ways */
export async function exits(tally, { module: modulePath, count }) {
  const names = Object.keys(ways);
  const times = [];
  for (let i = 0; i < count; ++i) {
    const name = names[i % names.length];
    const expected = ways[name];
    const { code, signal, milliseconds } = await runChild(name, modulePath);
    const asked =
      expected.signal === undefined
        ? code === expected.code && signal === null
        : signal === expected.signal;
    tally.check(asked, () => `${name}: code ${code}, signal ${signal}`);
    if (milliseconds !== null) times.push(milliseconds);
  }
  tally.notes = { medianMs: median(times), mostMs: Math.max(0, ...times) };
}
