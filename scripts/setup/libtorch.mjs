// LibTorch, found or fetched. Order: SIMGPT_LIBTORCH, the per-user cache, a Python torch of the
// pinned release, the pinned wheel through pip, the official zip.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { unpackPinned } from './archive.mjs';
import { downloadWheels } from './download.mjs';
import { withLock } from './lock.mjs';
import { cacheDir } from './paths.mjs';
import { cudaCompilerWheels, cudaRelease, libtorchRelease, libtorchWheels } from './pins.mjs';
import { officialZipUrl } from './pins.mjs';
import { createProgress, say } from './progress.mjs';
import { setupError, tryRun } from './run.mjs';
import { findTools, requireTools } from './tools.mjs';

const receiptName = 'simgpt-receipt.json';

/**
 * @typedef {object} LibTorch
 * @property {string} dir      the folder that holds torch/include and torch/lib, or include and lib
 * @property {string} torch    the folder that holds include and lib
 * @property {string} release
 * @property {string} source   where it came from, in words
 * @property {string} id       its sha256, or size and time of its main library where it was not ours
 */

const keyed = (release, wheels) => `${release}-${wheels[0].sha256.slice(0, 12)}`;
const libtorchCache = () => join(cacheDir(), 'libtorch', keyed(libtorchRelease, libtorchWheels));
const cudaCache = () => join(cacheDir(), 'cuda', keyed(cudaRelease, cudaCompilerWheels));

/**
 * What is here already, without a download; undefined where there is none.
 * @param {{ cuda?: boolean }} [options]  cuda: only one that the plugin can be linked against
 * @returns {Promise<LibTorch | undefined>}
 */
export async function findLibTorch({ cuda = false } = {}) {
  const named = process.env.SIMGPT_LIBTORCH;
  if (named !== undefined && named !== '') {
    return describeNamed(named);
  }
  return findCached() ?? (await findInPython(cuda));
}

function describeNamed(named) {
  const found = describe(resolve(named), 'SIMGPT_LIBTORCH');
  if (found === undefined) {
    throw setupError(
      `expected SIMGPT_LIBTORCH to name a folder with torch/lib/libtorch_cpu.so or ` +
        `lib/libtorch_cpu.so and its include, received '${named}'`,
    );
  }
  const [major, minor] = found.release.split('.').map(Number);
  if (major !== 2 || minor < 11) {
    throw setupError(
      `expected LibTorch 2.11 or newer in SIMGPT_LIBTORCH, received ${found.release}`,
    );
  }
  return found;
}

function findCached() {
  const dir = libtorchCache();
  const receipt = readReceipt(dir);
  const found = receipt && describe(dir, 'cache');
  return found && { ...found, id: receipt.sha256 };
}

async function findInPython(cuda) {
  // The path finder alone: the package itself is never imported.
  const script =
    'import importlib.machinery as m; s = m.PathFinder.find_spec("torch"); ' +
    'print(s.submodule_search_locations[0] if s and s.submodule_search_locations else "")';
  const dir = await tryRun('python3', ['-c', script]);
  const found = dir ? describe(dir, 'Python') : undefined;
  if (found?.release !== libtorchRelease) {
    return undefined;
  }
  return cuda && !existsSync(join(found.torch, 'lib/libc10_cuda.so')) ? undefined : found;
}

/** Reads a folder of either layout. */
function describe(dir, source) {
  for (const torch of [join(dir, 'torch'), dir]) {
    const library = join(torch, 'lib/libtorch_cpu.so');
    const release = readRelease(torch);
    if (release !== undefined && existsSync(library)) {
      const { size, mtimeMs } = statSync(library);
      return { dir, torch, release, source, id: `${size}-${Math.floor(mtimeMs)}` };
    }
  }
  return undefined;
}

function readRelease(torch) {
  for (const header of ['headeronly/version.h', 'csrc/api/include/torch/version.h']) {
    const path = join(torch, 'include/torch', header);
    const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
    const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
      (part) => new RegExp(`define TORCH_VERSION_${part} (\\d+)`).exec(text)?.[1],
    );
    if (parts.every((part) => part !== undefined)) {
      return parts.join('.');
    }
  }
  return undefined;
}

/**
 * LibTorch, fetched where it is not here.
 * @param {{ cuda?: boolean, force?: boolean }} [options]
 * @returns {Promise<LibTorch>}
 */
export async function ensureLibTorch({ cuda = false } = {}) {
  const here = await findLibTorch({ cuda });
  if (here !== undefined) {
    return here;
  }
  checkPlatform();
  say(`LibTorch ${libtorchRelease}: fetching it once for this user`);
  const dir = libtorchCache();
  const tools = await findTools();
  const zipHash = process.env.SIMGPT_LIBTORCH_ZIP_SHA256;
  if (tools.pip === undefined && zipHash !== undefined) {
    await fetchTree(dir, [], () => fetchOfficialZip(zipHash));
  } else {
    requireTools(tools, ['python', 'pip'], 'to fetch LibTorch');
    await fetchTree(dir, libtorchWheels);
  }
  const found = findCached();
  if (found === undefined) {
    throw setupError(`expected LibTorch in ${dir} after the download, found an incomplete folder`);
  }
  return found;
}

/** The CUDA compiler's folder (nvidia/cu13 inside it), fetched where it is not here. */
export async function ensureCudaCompiler() {
  const dir = cudaCache();
  if (readReceipt(dir) === undefined) {
    checkPlatform();
    requireTools(await findTools(), ['python', 'pip'], 'to fetch the CUDA compiler');
    say(`CUDA compiler ${cudaRelease}: fetching it once for this user`);
    await fetchTree(dir, cudaCompilerWheels);
  }
  return dir;
}

function checkPlatform() {
  const glibc = process.report?.getReport().header.glibcVersionRuntime;
  const [major, minor] = (glibc ?? '0.0').split('.').map(Number);
  if (process.platform !== 'linux' || process.arch !== 'x64' || major * 100 + minor < 228) {
    throw setupError(
      `expected Linux on x64 with glibc 2.28 or newer, received ${process.platform} on ` +
        `${process.arch}${glibc ? ` with glibc ${glibc}` : ''}; set SIMGPT_LIBTORCH to a ` +
        `LibTorch ${libtorchRelease} folder made for this machine`,
    );
  }
}

// A tree appears under its final name complete or not at all; a second process waits for it.
async function fetchTree(dir, wheels, fetch = () => fetchWheels(dir, wheels)) {
  const parent = resolve(dir, '..');
  await mkdir(parent, { recursive: true });
  const onWait = (owner) => say(`  waiting for ${owner}, which is fetching the same files`);
  await withLock(
    `${dir}.lock`,
    async () => {
      if (readReceipt(dir) !== undefined) {
        return;
      }
      await removeLeftovers(parent);
      const { target, receipt } = await fetch();
      await writeFile(join(target, receiptName), `${JSON.stringify(receipt, null, 2)}\n`);
      await rm(dir, { recursive: true, force: true });
      await rename(target, dir);
      await rm(`${dir}.download`, { recursive: true, force: true });
    },
    { onWait },
  );
}

async function fetchWheels(dir, wheels) {
  const download = `${dir}.download`;
  await downloadWheels(wheels, download);
  const target = await mkdtemp(`${dir}.unpack-`);
  const progress = createProgress('verify and unpack');
  let files = 0;
  let done = 0;
  for (const wheel of wheels) {
    const unpacked = await unpackPinned(join(download, wheel.file), wheel, target, {
      executable: (name) => /^nvidia\/cu13\/(?:nvvm\/)?bin\//.test(name),
      onBytes: (bytes) => progress.update((done += bytes)),
    });
    files += unpacked.files;
  }
  progress.done();
  const [{ sha256 }] = wheels;
  const made = wheels.map(({ file, size, sha256: hash }) => ({ file, size, sha256: hash }));
  return { target, receipt: { sha256, files, wheels: made } };
}

// The official distribution, where there is no pip. Never tried against the real file.
async function fetchOfficialZip(sha256) {
  const dir = libtorchCache();
  const path = join(`${dir}.download`, 'libtorch.zip');
  await mkdir(`${dir}.download`, { recursive: true });
  const response = await fetch(officialZipUrl);
  if (!response.ok || response.body === null) {
    throw setupError(`expected ${officialZipUrl} to answer 200, received ${response.status}`);
  }
  await writeFile(path, response.body);
  const target = await mkdtemp(`${dir}.unpack-`);
  const pin = { file: 'libtorch.zip', sha256, wanted: (name) => name.startsWith('libtorch/') };
  const { files } = await unpackPinned(path, pin, target, {
    rename: (name) => name.replace(/^libtorch\//, 'torch/'),
  });
  return { target, receipt: { sha256, files, zip: officialZipUrl } };
}

// Folders of an unpacking that was killed. The lock is ours, so nobody writes them now.
async function removeLeftovers(parent) {
  for (const name of readdirSync(parent)) {
    if (name.includes('.unpack-')) {
      await rm(join(parent, name), { recursive: true, force: true });
    }
  }
}

function readReceipt(dir) {
  try {
    return JSON.parse(readFileSync(join(dir, receiptName), 'utf8'));
  } catch {
    return undefined;
  }
}
