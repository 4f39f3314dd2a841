// The locked npm packages of a checkout.
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';
import { say } from './progress.mjs';
import { run, setupError } from './run.mjs';

/**
 * Whether node_modules holds every package of the lockfile in the locked version. A node_modules
 * that is a link belongs to another folder and is taken as it is.
 */
export function packagesInPlace() {
  const dir = join(root, 'node_modules');
  if (lstatSync(dir, { throwIfNoEntry: false })?.isSymbolicLink()) {
    return true;
  }
  const locked = readPackages(join(root, 'package-lock.json'));
  const installed = readPackages(join(root, 'node_modules/.package-lock.json'));
  if (locked === undefined || installed === undefined) {
    return false;
  }
  return Object.entries(locked).every(([path, wanted]) => {
    const found = installed[path];
    return found === undefined
      ? path === '' || wanted.optional === true || wanted.peer === true
      : found.version === wanted.version;
  });
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

export async function installPackages() {
  say('packages: installing what package-lock.json names (npm ci)');
  const args = ['ci', '--no-audit', '--no-fund'];
  const { code } = await run('npm', args, { cwd: root, show: true });
  if (code !== 0) {
    throw setupError('expected npm ci to install the locked packages, received the error above');
  }
}
