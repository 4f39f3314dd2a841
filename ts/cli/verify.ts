import type { Command } from '@commander-js/extra-typings';

import { exitCodes } from './exit_codes.js';
import { printJson, printResult } from './print.js';
import { forTerminalLine } from './terminal.js';

export function register(program: Command): void {
  program
    .command('verify')
    .description('check a generation run: counts, ids, checksums, lineage, ledger')
    .argument('<run>', 'the folder of the run')
    .option('--json', 'print one JSON object')
    .action(async (path, { json }) => {
      const { verifyRun } = await import('../generate/verify.js');
      const found = await verifyRun(path);
      const { rows, quarantined, answers, doubts } = found;
      if (json === true) await printJson(found);
      else {
        const lines = doubts.map((doubt) => `doubt: ${forTerminalLine(doubt, 1000)}`);
        const verdict = doubts.length === 0 ? 'all as it should be' : `${doubts.length} doubts`;
        lines.push(`${rows} rows, ${quarantined} in quarantine, ${answers} answers: ${verdict}`);
        await printResult(lines.map((line) => `${line}\n`).join(''));
      }
      process.exitCode = doubts.length === 0 ? exitCodes.done : exitCodes.notMet;
    });
}
