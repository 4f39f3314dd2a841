// The addon and, on request, the CUDA plugin: one CMake build, run through cmake-js.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { buildDir, installedPackage, packageScript, root } from './paths.mjs';
import { say } from './progress.mjs';
import { run, setupError } from './run.mjs';
import { filesBelow, fingerprint, readStamp, writeStamp } from './stamp.mjs';
import { findTools, requireTools } from './tools.mjs';

// One file that includes ATen takes about this much memory to compile.
const bytesPerJob = 1.5 * 1024 ** 3;

export const addonPath = () => join(buildDir(), 'Release/simgpt.node');
export const pluginPath = () => join(buildDir(), 'Release/simgpt_cuda.so');
const stampPath = () => join(buildDir(), 'native.stamp.json');

/**
 * From what the addon would be made now.
 * @param {import('./libtorch.mjs').LibTorch} libtorch
 */
export function nativeKey(libtorch) {
  const sources = filesBelow(join(root, 'native'), (path) => !path.includes('/native/fuzz/'));
  const packages = ['cmake-js', 'node-addon-api', 'node-api-headers'];
  const values = {
    libtorch: [libtorch.torch, libtorch.release, libtorch.id],
    packages: packages.map((name) => [name, installedPackage(name).version]),
    compiler: process.env.CXX ?? null,
  };
  return fingerprint(values, root, [...sources, join(root, 'CMakeLists.txt')]);
}

/** Without `cudaCompiler` a plugin is neither asked for nor in the way. */
export function nativeInPlace(key, cudaCompiler) {
  const stamp = readStamp(stampPath());
  const plugin = cudaCompiler === undefined || stamp?.cudaCompiler === cudaCompiler;
  return (
    stamp?.key === key &&
    existsSync(addonPath()) &&
    plugin &&
    (process.env.SIMGPT_WERROR !== '1' || stamp.warningsAsErrors === true) &&
    (cudaCompiler === undefined || existsSync(pluginPath()))
  );
}

/**
 * @param {import('./libtorch.mjs').LibTorch} libtorch
 * @param {string | undefined} cudaCompiler
 */
export async function buildNative(libtorch, cudaCompiler) {
  const tools = await findTools();
  requireTools(tools, ['compiler', 'cmake', 'make'], 'to build the addon');
  const generator = tools.ninja === undefined ? 'Unix Makefiles' : 'Ninja';
  forgetOtherConfiguration(generator);
  say(`addon: building with CMake (${generator}), a few minutes the first time`);
  const key = nativeKey(libtorch);
  const args = [
    ['-G', generator],
    ['-O', buildDir()],
    ['-p', String(jobs())],
    ['-l', 'warn'],
    [`--CDSIMGPT_LIBTORCH=${libtorch.dir}`],
    [`--CDSIMGPT_SOURCE_HASH=${key}`],
    [`--CDSIMGPT_NODE_ADDON_API=${installedPackage('node-addon-api').dir}`],
    [`--CDSIMGPT_NODE_API_HEADERS=${installedPackage('node-api-headers').dir}`],
    [
      `--CDSIMGPT_CUDA_TOOLKIT=${cudaCompiler === undefined ? '' : join(cudaCompiler, 'nvidia/cu13')}`,
    ],
  ].flat();
  const warningsAsErrors = process.env.SIMGPT_WERROR === '1' || wasStrict();
  args.push(`--CDSIMGPT_WERROR=${warningsAsErrors ? 'ON' : 'OFF'}`);
  const started = Date.now();
  for (const step of ['configure', 'build']) {
    await cmakeJs(step, args);
  }
  await checkLoads();
  writeStamp(stampPath(), { key, libtorch, cudaCompiler: cudaCompiler ?? null, warningsAsErrors });
  say(`addon: built in ${Math.round((Date.now() - started) / 1000)} s`);
}

// A developer's folder that once treated warnings as errors keeps doing so: a change of the flag
// alone would compile everything again.
function wasStrict() {
  return readStamp(stampPath())?.warningsAsErrors === true;
}

async function cmakeJs(step, args) {
  const script = packageScript('cmake-js');
  const { code, output } = await run(process.execPath, [script, step, ...args], {
    cwd: root,
    show: true,
  });
  if (code !== 0) {
    const first = output
      .split('\n')
      .find((line) => /\b(?:error|fatal)\b.*:/i.test(line) && !line.startsWith('cd '));
    throw setupError(
      `expected the addon to build, received an error in its ${step} step: ${(first ?? `exit code ${code}`).trim()}`,
    );
  }
}

// CMake refuses to change generator or source folder in a folder that it has configured.
function forgetOtherConfiguration(generator) {
  const cache = join(buildDir(), 'CMakeCache.txt');
  if (!existsSync(cache)) {
    return;
  }
  const text = readFileSync(cache, 'utf8');
  const same =
    text.includes(`CMAKE_GENERATOR:INTERNAL=${generator}\n`) &&
    text.includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`);
  if (!same) {
    rmSync(cache);
    rmSync(join(buildDir(), 'CMakeFiles'), { recursive: true, force: true });
  }
}

function jobs() {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / bytesPerJob)));
}

// In a process of its own: an addon that cannot be loaded must not take set-up with it.
async function checkLoads() {
  const { code, output } = await run(process.execPath, [
    '-e',
    'require(process.argv[1])',
    addonPath(),
  ]);
  if (code !== 0) {
    const reason = output.split('\n').find((line) => /^Error: |error while/.test(line)) ?? output;
    throw setupError(`expected the built addon to load, received: ${reason.trim()}`);
  }
}
