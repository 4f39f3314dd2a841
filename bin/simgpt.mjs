#!/usr/bin/env node
// The command's door. It runs before anything is built, so `simgpt setup` goes straight to the
// set-up script, and a tree without compiled code says what to do.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [command, ...rest] = process.argv.slice(2);
const compiled = new URL('../dist/cli.js', import.meta.url);

if (command === 'setup' && !rest.includes('--help') && !rest.includes('-h')) {
  const script = fileURLToPath(new URL('../scripts/setup.mjs', import.meta.url));
  const { status, signal } = spawnSync(process.execPath, [script, ...rest], { stdio: 'inherit' });
  process.exitCode = signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : (status ?? 1);
} else if (!existsSync(compiled)) {
  process.stderr.write('simgpt: the TypeScript is not compiled. Run: npm run setup\n');
  process.exitCode = 1;
} else {
  const { main } = await import(compiled.href);
  await main(process.argv.slice(2));
}
