import type { Command } from '@commander-js/extra-typings';
import { exitCodes } from './exit_codes.js';
import { forTerminal } from './terminal.js';
import type { Finding } from './doctor_checks.js';

export function register(program: Command): void {
  program
    .command('doctor')
    .description('tell what is here, what is missing, and how to get it')
    .option('--json', 'print the findings as one JSON object')
    .action(async ({ json }) => {
      const { examine } = await import('./doctor_checks.js');
      const findings = await examine(process.env);
      const ok = findings.every((finding) => finding.state !== 'missing');
      process.stdout.write(json ? `${JSON.stringify({ ok, findings })}\n` : asText(findings));
      process.exitCode = ok ? exitCodes.done : exitCodes.failed;
    });
}

function asText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const marks = { ok: 'ok     ', missing: 'MISSING', note: 'note   ' } as const;
  const lines = findings.flatMap(({ name, state, detail, fix }) => [
    `${marks[state]}  ${name.padEnd(width)}  ${detail}`,
    ...(fix === null ? [] : [`${' '.repeat(width + 11)}fix: ${fix}`]),
  ]);
  return `${lines.map((line) => forTerminal(line)).join('\n')}\n`;
}
