// House rules that no linter knows.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const maxLines = 400;

/** Tracked and new files, as git sees them. */
export function trackedFiles(root) {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard'];
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter((file) => file !== '' && existsSync(join(root, file)));
}

// What a line of which files must not hold. Comments are read too, except where `code` is set.
const lineRules = [
  { files: /^(?!scripts\/check\/)/, pattern: /\b(?:TODO|FIXME|XXX)\b/, say: 'an open end' },
  {
    files: /^native\/(?!boundary\/|fuzz\/).*\.(?:h|cc|cu)$/,
    pattern: /(?<![\w.])(?:new\s+[A-Za-z_:]+\s*[({[<]|delete\s+[a-z_]|delete\[\])/,
    say: 'new or delete outside native/boundary',
    code: true,
  },
  {
    files: /^native\/.*\.(?:h|cc|cu)$/,
    pattern: /^\s*using namespace\b/,
    say: 'using namespace',
    code: true,
  },
  {
    files: /^native\/.*\.(?:h|cc|cu)$/,
    pattern: /\b(?:assert|abort|exit|terminate)\s*\(/,
    say: 'a call that ends the process',
    code: true,
  },
  {
    files: /^native\/(?!cuda\/).*\.(?:h|cc)$/,
    pattern: /#include (?:[<"](?:c10|ATen)\/cuda\/|<cuda)/,
    say: 'a CUDA header outside native/cuda',
    code: true,
  },
  {
    files: /^native\/(?:json|tokenizer|checkpoint|fuzz)\//,
    pattern: /#include [<"](?:ATen|torch|c10)\//,
    say: 'an ATen header in plain C++',
    code: true,
  },
  {
    files: /^ts\/(?!native\.ts$|encoder\/|train\/|search\/|cli\/)/,
    pattern: /from '.*\/native\.js'/,
    say: 'an import of native.ts outside encoder, train and search',
    code: true,
  },
];

/** Every breach as `file:line: what was found`. */
export function breaches(root, files) {
  const found = [];
  const sources = files.filter((file) => /\.(?:ts|mjs|js|cc|h|cu|cuh|py|sh)$/.test(file));
  for (const file of sources) {
    const lines = readFileSync(join(root, file), 'utf8').split('\n');
    if (lines.length - 1 > maxLines) {
      found.push(`${file}: expected at most ${maxLines} lines, found ${lines.length - 1}`);
    }
    if (/^(?:utils?|common|helpers?)\./.test(basename(file)) && !file.startsWith('test/')) {
      found.push(`${file}: expected a name that says what the file hides`);
    }
    if (/^native\/.*\.h$/.test(file) && !lines.includes('#pragma once')) {
      found.push(`${file}: expected #pragma once`);
    }
    for (const rule of lineRules.filter((candidate) => candidate.files.test(file))) {
      lines.forEach((line, index) => {
        if (rule.pattern.test(rule.code ? line.replace(/\/\/.*/, '') : line)) {
          found.push(`${file}:${index + 1}: found ${rule.say}: ${line.trim()}`);
        }
      });
    }
  }
  return found;
}
