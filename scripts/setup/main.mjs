import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { ensureCudaCompiler, ensureLibTorch, findLibTorch } from './libtorch.mjs';
import { withLock } from './lock.mjs';
import { addonPath, buildNative, nativeInPlace, nativeKey, pluginPath } from './native.mjs';
import { installPackages, packagesInPlace } from './packages.mjs';
import { buildDir, isCheckout } from './paths.mjs';
import { say } from './progress.mjs';
import { findTools, installCommand, missingTools } from './tools.mjs';
import { compileTypeScript, typescriptInPlace } from './typescript.mjs';

const parts = ['libtorch', 'native', 'ts'];

/** Runs set-up with the given arguments; gives the exit code. */
export async function main(args) {
  let options;
  try {
    options = readOptions(args);
  } catch (error) {
    say(`simgpt: ${error.message}`);
    return 2;
  }
  try {
    const outcome = options.check ? await check() : await setUp(options);
    if (options.json) {
      process.stdout.write(`${JSON.stringify(outcome)}\n`);
    }
    return 0;
  } catch (error) {
    if (error.details) {
      say(error.details);
    }
    const told = error.isSetupError || String(error.message).startsWith('expected ');
    say(`simgpt: ${told ? error.message : (error.stack ?? error)}`);
    return 1;
  }
}

function readOptions(args) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      force: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      check: { type: 'boolean', default: false },
    },
  });
  if (values.only !== undefined && !parts.includes(values.only)) {
    throw new Error(`expected --only ${parts.join(', ')}, received '${values.only}'`);
  }
  const cuda = process.env.SIMGPT_COMPILE_CUDA === '1';
  return { ...values, cuda, wants: (part) => values.only === undefined || values.only === part };
}

async function setUp(options) {
  const onWait = (owner) => say(`waiting for ${owner}, which is setting up the same folder`);
  const locked = (work) => withLock(join(buildDir(), '.setup.lock'), work, { onWait });
  // One process at a time makes things in this folder; what is in place is found without the lock.
  const ensure = async (inPlace, make) => {
    if (options.force || !(await inPlace())) {
      await locked(async () => {
        if (options.force || !(await inPlace())) {
          await make();
        }
      });
    }
  };
  if (isCheckout && options.only !== 'libtorch') {
    await ensurePackages(ensure);
  }
  const outcome = {};
  if (options.wants('libtorch') || options.wants('native')) {
    const { cuda } = options;
    const libtorch = await ensureLibTorch({ cuda });
    outcome.libtorch = libtorch;
    if (options.wants('native')) {
      const compiler = cuda ? await ensureCudaCompiler() : undefined;
      const key = nativeKey(libtorch);
      await ensure(
        () => nativeInPlace(key, compiler),
        () => buildNative(libtorch, compiler),
      );
      outcome.addon = addonPath();
      outcome.plugin = cuda ? pluginPath() : null;
    }
  }
  if (isCheckout && options.wants('ts')) {
    await ensure(typescriptInPlace, compileTypeScript);
  }
  return outcome;
}

async function ensurePackages(ensure) {
  // --force makes again what is built here, not what npm installed.
  if (!packagesInPlace()) {
    await ensure(packagesInPlace, installPackages);
  }
}

/** What `simgpt doctor` asks: the state of everything, with nothing fetched or built. */
async function check() {
  const tools = await findTools();
  const missing = missingTools(tools, ['compiler', 'cmake', 'make', 'python', 'pip']);
  const libtorch = await findLibTorch().catch((error) => ({ error: error.message }));
  const usable = libtorch !== undefined && !('error' in libtorch);
  return {
    tools,
    missing,
    install: missing.length > 0 ? installCommand(missing) : null,
    libtorch: libtorch ?? null,
    addon: { path: addonPath(), current: usable && isCurrent(libtorch) },
    plugin: pluginPath(),
  };
}

function isCurrent(libtorch) {
  try {
    return nativeInPlace(nativeKey(libtorch));
  } catch {
    return false;
  }
}
