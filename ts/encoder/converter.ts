import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('../../tools/convert.py', import.meta.url));

/** How the script that turns PyTorch files into safetensors is called from where the process is. */
export function converterCommand(): string {
  const near = relative('', script);
  return `python ${near.startsWith('..') ? script : near}`;
}
