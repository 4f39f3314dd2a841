// Is the published package whole? Packs it, installs the tarball in an empty project, sets it up there
// and embeds a sentence from TypeScript.
//   node scripts/package_check.mjs [--keep]    --keep leaves the project for a look
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installedPackage, packageScript, root } from './setup/paths.mjs';

// What a published file must lie below; anything else in the tarball is a leak.
const published =
  /^(?:package\.json|README\.md|LICENSE|CMakeLists\.txt|binding\.gyp|prices\.json|bin\/|data\/|dist\/|models\/|native\/|recipes\/|templates\/|scripts\/setup(?:\.mjs|\/)|tools\/convert\.py$)/;

const tenLines = `import { Encoder } from 'simgpt';
import type { EmbedResult } from 'simgpt';

await using encoder = await Encoder.load('simgpt-small');
const texts = ['A cat sits on the mat.', 'A cat sits on the mat.'];
const result: EmbedResult = await encoder.embed(texts, { normalize: true });
const [rows, dimensions] = result.shape;
const first = result.embeddings.subarray(0, dimensions);
const second = result.embeddings.subarray(dimensions);
const similarity = first.reduce((sum, value, index) => sum + value * second[index]!, 0);
console.log(rows, dimensions, similarity.toFixed(4));
`;

const tsconfig = {
  compilerOptions: {
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    strict: true,
    skipLibCheck: false,
    types: ['node'],
  },
};

const folder = mkdtempSync(join(tmpdir(), 'simgpt-package-'));
const project = join(folder, 'project');

try {
  const tarball = pack();
  checkTarball(tarball);
  install(tarball);
  useAsDependency();
  process.stdout.write('package: ok\n');
} catch (error) {
  process.stderr.write(`simgpt: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  if (process.argv.includes('--keep')) {
    process.stdout.write(`package: left in ${folder}\n`);
  } else {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pack() {
  const { stdout } = run('npm', ['pack', '--json', '--pack-destination', folder], root);
  const [{ filename, files, size, unpackedSize }] = JSON.parse(stdout.slice(stdout.indexOf('[')));
  const leaks = files.map(({ path }) => path).filter((path) => !published.test(path));
  expect(leaks.length === 0, `no file beside the published ones, received ${leaks.join(', ')}`);
  process.stdout.write(
    `package: ${files.length} files, ${Math.round(size / 1000)} kB (${Math.round(unpackedSize / 1000)} kB unpacked)\n`,
  );
  return join(folder, filename);
}

function checkTarball(tarball) {
  run(process.execPath, [packageScript('publint'), 'run', tarball, '--strict'], root);
  // The package is ESM only, by design: the two resolutions that need CommonJS are left out.
  const attw = packageScript('@arethetypeswrong/cli', 'attw');
  run(process.execPath, [attw, tarball, '--profile', 'esm-only'], root);
  process.stdout.write('package: publint and are-the-types-wrong found nothing\n');
}

function install(tarball) {
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  const types = ['typescript', '@types/node'].map(
    (name) => `${name}@${installedPackage(name).version}`,
  );
  run('npm', ['install', '--no-audit', '--no-fund', tarball, ...types], project);
  const installed = join(project, 'node_modules/simgpt');
  expect(!existsSync(join(installed, 'build')), 'nothing built by the install');
}

function useAsDependency() {
  const before = run('npx', ['--no-install', 'simgpt', 'doctor'], project, { mayFail: true });
  expect(before.status === 1, `doctor to exit 1 before set-up, received ${before.status}`);
  expect(
    /MISSING {2}addon[\s\S]*fix: npx simgpt setup/.test(before.stdout),
    'doctor to name the fix',
  );
  run('npx', ['--no-install', 'simgpt', 'setup'], project, { show: true });
  run('npx', ['--no-install', 'simgpt', 'doctor'], project);
  writeFileSync(join(project, 'embed.ts'), tenLines);
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(tsconfig));
  run('npx', ['--no-install', 'tsc'], project);
  namesConverter();
  const { stdout } = run(process.execPath, ['embed.js'], project);
  expect(/^2 \d+ 1\.0000\n$/.test(stdout), `two equal unit vectors, received ${stdout}`);
  process.stdout.write(`package: ten lines of TypeScript print ${stdout}`);
}

/** What the message on PyTorch weights tells a user to run is there. */
function namesConverter() {
  const model = join(project, 'pickled');
  mkdirSync(model);
  for (const name of ['config.json', 'tokenizer.json']) {
    copyFileSync(join(project, 'node_modules/simgpt/models/simgpt-small', name), join(model, name));
  }
  writeFileSync(join(model, 'pytorch_model.bin'), '');
  const args = [
    '--no-install',
    'simgpt',
    'similarity',
    '--model',
    model,
    '--pooling',
    'cls',
    'a',
    'b',
  ];
  const { stderr } = run('npx', args, project, { mayFail: true });
  const named = /convert it with: python (\S+) /.exec(stderr)?.[1];
  const found = named !== undefined && existsSync(join(project, named));
  expect(found, `a converter in the package to be named, received ${stderr}`);
}

function expect(holds, what) {
  if (!holds) {
    throw new Error(`expected ${what}`);
  }
}

function run(command, args, cwd, { mayFail = false, show = false } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', show ? 'inherit' : 'pipe'],
  });
  if (!mayFail && result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
    throw new Error(`expected ${command} ${args.join(' ')} to succeed, received ${result.status}`);
  }
  return result;
}
