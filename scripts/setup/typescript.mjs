// TypeScript to dist/ (published), build/test and build/bench.
import { existsSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { installedPackage, packageScript, root } from './paths.mjs';
import { run, setupError } from './run.mjs';
import { filesBelow, fingerprint, readStamp, writeStamp } from './stamp.mjs';

const stampPath = join(root, 'build/typescript.stamp.json');
const projects = [
  { sources: 'ts', output: 'dist' },
  { sources: 'test', output: 'build/test' },
  { sources: 'bench', output: 'build/bench' },
].filter(({ sources }) => existsSync(join(root, sources, 'tsconfig.json')));

function typescriptKey() {
  const isSource = (path) => /\.ts$|tsconfig\.json$/.test(path) && !path.includes('/node_modules/');
  const sources = projects.flatMap((project) => filesBelow(join(root, project.sources), isSource));
  const shared = ['tsconfig.json', 'tsconfig.base.json'].map((name) => join(root, name));
  return fingerprint([installedPackage('typescript').version], root, [...shared, ...sources]);
}

export function typescriptInPlace() {
  return (
    readStamp(stampPath)?.key === typescriptKey() &&
    projects.every(({ output }) => existsSync(join(root, output)))
  );
}

export async function compileTypeScript() {
  const key = typescriptKey();
  removeOrphans();
  const script = packageScript('typescript', 'tsc');
  const { code, output } = await run(process.execPath, [script, '-b'], { cwd: root });
  if (code !== 0) {
    throw setupError('expected the TypeScript to compile, received errors', output.trim());
  }
  writeStamp(stampPath, { key });
}

// What a removed or renamed source left behind would otherwise still be run, or published.
function removeOrphans() {
  for (const { sources, output } of projects) {
    const from = join(root, output);
    for (const file of existsSync(from) ? filesBelow(from, (path) => path.endsWith('.js')) : []) {
      const stem = relative(from, file).replace(/\.js$/, '');
      if (!existsSync(join(root, sources, `${stem}.ts`))) {
        for (const end of ['.js', '.js.map', '.d.ts', '.d.ts.map']) {
          rmSync(join(from, stem + end), { force: true });
        }
      }
    }
  }
}
