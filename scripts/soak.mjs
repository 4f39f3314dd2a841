// The long tier: kills, money, caps, at full counts.
//   node scripts/soak.mjs [--only J1,G2] [--count N] [--seed N]
// Without --count every row runs in full: hours. Needs a C compiler and the compiled tests. Exit code
// 1 where a row fails.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { packageScript, root } from './setup/paths.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    count: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});

execFileSync(process.execPath, [packageScript('typescript', 'tsc'), '-b'], {
  cwd: root,
  stdio: 'inherit',
});
const { rows } = await import(join(root, 'build/test/soak/rows.js'));
const { buildShim, skipWithoutShim } = await import(join(root, 'build/test/soak/kill_shim.js'));

const chosen = values.only?.split(',') ?? Object.keys(rows);
const unknown = chosen.find((id) => !Object.hasOwn(rows, id));
if (unknown !== undefined) {
  fail(`expected --only of ${Object.keys(rows).join(', ')}, received ${unknown}`);
}
const count = values.count === undefined ? undefined : Number(values.count);
if (count !== undefined && !(Number.isSafeInteger(count) && count > 0)) {
  fail(`expected --count > 0, received ${values.count}`);
}
if (skipWithoutShim !== false) fail(skipWithoutShim);

process.stdout.write(`node ${process.version}, seed ${values.seed}\n`);
for (const id of chosen) {
  const row = rows[id];
  const folder = mkdtempSync(join(tmpdir(), 'simgpt-soak-'));
  const ground = { shim: buildShim(folder), root: join(folder, id), seed: Number(values.seed) };
  const trials = count ?? row.full;
  const started = performance.now();
  const result = await row.run(trials === undefined ? ground : { ...ground, count: trials });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const passed = result.failures.length === 0;
  const notes = Object.entries(result.notes).map(([name, value]) => `${name} ${value}`);
  process.stdout.write(
    `${passed ? 'ok  ' : 'FAIL'} ${id} (${row.what}): ${result.trials} trials, ` +
      `${result.failures.length} failures, ${notes.join(', ')}, ${seconds} s\n`,
  );
  for (const failure of result.failures.slice(0, 10)) process.stdout.write(`     ${failure}\n`);
  if (passed) rmSync(folder, { recursive: true, force: true });
  else {
    process.stdout.write(`     kept in ${folder}\n`);
    process.exitCode = 1;
  }
}

function fail(sentence) {
  process.stderr.write(`simgpt: ${sentence}\n`);
  process.exit(2);
}
