// One row in a process of its own, so that a crash is a red row and not the end of the soak.
//   node row_process.mjs ROW COUNT SEED MODULE     prints one line of JSON
import { Tally } from './harness.mjs';
import { rows } from './rows.mjs';

const [, , id, count, seed, module] = process.argv;
const tally = new Tally();
const began = performance.now();
try {
  await rows[id].run(tally, { module, count: Number(count), seed: Number(seed) });
} catch (error) {
  tally.fail(`the row ended early: ${error?.stack ?? error}`);
}
const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
const { trials, failures, messages, notes } = tally;
process.stdout.write(`${JSON.stringify({ trials, failures, messages, seconds, ...notes })}\n`);
