// The native boundary under load: worker termination, misuse, exceptions, process ends, memory.
//   node scripts/boundary_soak.mjs [--only A1,A4] [--count N | --short] [--seed N] [--defects]
// Without --count every row runs in full. --defects builds each seeded defect into the test module
// and expects its row to turn red. Exit code 1 where a row (or a defect) is not as it should be.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { runDefects } from './boundary/defects.mjs';
import { defaultModule } from './boundary/harness.mjs';
import { rows } from './boundary/rows.mjs';
import { formatRow, runRow } from './boundary/run_row.mjs';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    count: { type: 'string' },
    short: { type: 'boolean', default: false },
    seed: { type: 'string', default: '1' },
    module: { type: 'string', default: defaultModule },
    defects: { type: 'boolean', default: false },
  },
});

const chosen = values.only?.split(',');
const unknown = chosen?.find((id) => !(id in rows) && !(values.defects && /^\d+$/.test(id)));
if (unknown !== undefined) {
  process.stderr.write(`expected --only of ${Object.keys(rows).join(', ')}, received ${unknown}\n`);
  process.exit(2);
}
const count = values.count === undefined ? undefined : Number(values.count);
if (count !== undefined && !(Number.isSafeInteger(count) && count > 0)) {
  process.stderr.write(`expected --count > 0, received ${values.count}\n`);
  process.exit(2);
}
const seed = Number(values.seed);

if (values.defects) {
  process.exitCode = (await runDefects({ seed, only: chosen?.map(Number) })) ? 0 : 1;
} else {
  process.stdout.write(`node ${process.version}, seed ${seed}\n`);
  for (const [id, row] of Object.entries(rows)) {
    if (chosen !== undefined && !chosen.includes(id)) continue;
    const trials = count ?? (values.short ? row.short : row.full);
    const result = await runRow(id, { count: trials, seed, module: resolve(values.module) });
    process.stdout.write(`${formatRow(id, trials, result)}\n`);
    if (!result.passed) process.exitCode = 1;
  }
}
