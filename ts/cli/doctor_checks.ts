import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readHubSettings } from '../encoder/hub_settings.js';
import { shippedModelFolder, shippedModelName } from '../encoder/shipped_model.js';
import type { BuildInfo, CpuInfo } from '../native.js';
import { proxySettings } from './proxy_settings.js';

/** One thing looked at. `fix` is the command or setting that mends a `missing` one. */
export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'missing' | 'note';
  readonly detail: string;
  readonly fix: string | null;
}

const run = promisify(execFile);
const setupScript = fileURLToPath(new URL('../../scripts/setup.mjs', import.meta.url));
const nativeModule = new URL('../native.js', import.meta.url).href;
const isCheckout = existsSync(fileURLToPath(new URL('../../ts/tsconfig.json', import.meta.url)));
const setupCommand = isCheckout ? 'npm run setup' : 'npx simgpt setup';

/** What scripts/setup.mjs --check --json prints: set-up alone knows where it puts things. */
interface SetupState {
  readonly tools: Readonly<Record<string, string | undefined>>;
  readonly missing: readonly string[];
  readonly install: string | null;
  readonly libtorch:
    | {
        readonly torch: string;
        readonly release: string;
        readonly source: string;
        readonly id: string;
      }
    | { readonly error: string }
    | null;
  readonly addon: { readonly path: string; readonly current: boolean };
  readonly plugin: string;
}

type Loaded = { readonly build: BuildInfo; readonly cpu: CpuInfo } | { readonly error: string };

/** Everything `doctor` looks at, in the order in which it prints. Loads nothing into this process. */
export async function examine(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const [state, loaded] = await Promise.all([setupState(), loadAddon()]);
  return [
    ok('node', `${process.version} on ${process.platform} ${process.arch}`),
    ...toolFindings(state, !('error' in loaded)),
    libtorchFinding(state),
    addonFinding(state, loaded),
    ...cpuFindings(loaded),
    cudaFinding(state),
    shippedModelFinding(),
    modelCacheFinding(env),
    ...proxySettings(env).map((line) => note('proxy', line)),
  ];
}

const ok = (name: string, detail: string): Finding => ({ name, state: 'ok', detail, fix: null });
const note = (name: string, detail: string): Finding => ({
  name,
  state: 'note',
  detail,
  fix: null,
});
const missing = (name: string, detail: string, fix: string): Finding => ({
  name,
  state: 'missing',
  detail,
  fix,
});

async function setupState(): Promise<SetupState> {
  const { stdout } = await run(process.execPath, [setupScript, '--check', '--json']);
  return JSON.parse(stdout) as SetupState;
}

// In a process of its own: an addon that ends its process on loading is a finding, not our end.
async function loadAddon(): Promise<Loaded> {
  const script =
    `const { native } = await import(${JSON.stringify(nativeModule)});` +
    'const b = native();' +
    'console.log(JSON.stringify({ build: b.buildInfo(), cpu: b.cpuInfo() }));';
  try {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
    return JSON.parse(stdout) as Loaded;
  } catch (error) {
    const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    const line = text.split('\n').find((candidate) => /^\w*Error\b/.test(candidate.trim()));
    return {
      error: line?.replace(/^\s*\w*Error(?: \[\w+\])?: /, '') ?? 'loading it ends the process',
    };
  }
}

// A tool is missing only where something still has to be made with it.
function toolFindings(state: SetupState, addonLoads: boolean): Finding[] {
  const { tools, missing: names, install } = state;
  const fetched = state.libtorch !== null;
  const needed = ['compiler', 'cmake', 'make', 'python', 'pip'] as const;
  return needed.map((name) => {
    const found = name === 'make' ? (tools['ninja'] ?? tools['make']) : tools[name];
    const shown = name === 'make' && tools['ninja'] !== undefined ? `Ninja ${found}` : found;
    if (!names.includes(name)) {
      return ok(name, shown ?? 'found');
    }
    return addonLoads || (fetched && (name === 'python' || name === 'pip'))
      ? note(name, 'not found; needed only to build or fetch anew')
      : missing(name, 'not found', install ?? `install ${name}`);
  });
}

function libtorchFinding({ libtorch }: SetupState): Finding {
  if (libtorch === null) {
    return missing('libtorch', 'not fetched yet', setupCommand);
  }
  if ('error' in libtorch) {
    return missing('libtorch', libtorch.error, 'unset or correct SIMGPT_LIBTORCH');
  }
  const { release, source, torch, id } = libtorch;
  const hash = /^[0-9a-f]{64}$/.test(id) ? `sha256 ${id}` : `size and time ${id}`;
  return ok('libtorch', `${release} from ${source}: ${torch} (${hash})`);
}

function addonFinding({ addon }: SetupState, loaded: Loaded): Finding {
  if ('error' in loaded) {
    return missing('addon', loaded.error, setupCommand);
  }
  const { libtorch, napiVersion, compiler } = loaded.build;
  const age = addon.current ? '' : `; its sources or LibTorch changed since (${setupCommand})`;
  const made = `LibTorch ${libtorch}, N-API ${napiVersion}, ${compiler}`;
  return ok('addon', `${addon.path} (${made})${age}`);
}

function cpuFindings(loaded: Loaded): Finding[] {
  if ('error' in loaded) {
    return [note('cpu', 'known once the addon loads')];
  }
  const { cpu } = loaded;
  const sets = (['avx2', 'avx512', 'vnni', 'bf16', 'amx'] as const).map(
    (name) => `${name} ${cpu[name] ? 'yes' : 'no'}`,
  );
  const quota = cpu.quota === null ? 'no quota' : `a quota of ${cpu.quota}`;
  return [
    ok('cpu', `${cpu.brand || 'unnamed processor'}: level ${cpu.level} (${sets.join(', ')})`),
    ok('threads', `${cpu.threads} (affinity ${cpu.affinity}, ${quota}; SIMGPT_THREADS sets it)`),
  ];
}

/** The first thing that stands between this machine and device cuda. */
function cudaFinding({ libtorch, plugin }: SetupState): Finding {
  if (!existsSync('/proc/driver/nvidia/version')) {
    return note('cuda', 'not available: no NVIDIA driver on this machine');
  }
  const driver = /Kernel Module\S*\s+(?:for \S+\s+)?([\d.]+)/.exec(
    readFileSync('/proc/driver/nvidia/version', 'utf8'),
  )?.[1];
  const torch = libtorch !== null && 'torch' in libtorch ? libtorch.torch : undefined;
  if (torch === undefined || !existsSync(join(torch, 'lib/libtorch_cuda.so'))) {
    return note(
      'cuda',
      `not available: driver ${driver}, but this LibTorch has no libtorch_cuda.so; ` +
        'name a CUDA distribution in SIMGPT_LIBTORCH',
    );
  }
  if (!existsSync(plugin)) {
    const build = `SIMGPT_COMPILE_CUDA=1 ${setupCommand}`;
    return note('cuda', `not available: driver ${driver}, but the plugin is not built (${build})`);
  }
  return ok('cuda', `driver ${driver}, plugin ${plugin}`);
}

function shippedModelFinding(): Finding {
  const weights = join(shippedModelFolder, 'model.safetensors');
  return existsSync(weights)
    ? ok('model', `${shippedModelName}, where none is named, in ${shippedModelFolder}`)
    : missing('model', `expected ${weights}`, 'restore it from the repository, or install again');
}

function modelCacheFinding(env: NodeJS.ProcessEnv): Finding {
  let settings;
  try {
    settings = readHubSettings(env);
  } catch (error) {
    return missing('model cache', String(error), 'unset or correct HF_ENDPOINT');
  }
  const { cacheDir, offline } = settings;
  const mode = offline ? '; offline' : '';
  const parent = nearestFolder(cacheDir);
  try {
    accessSync(parent, constants.W_OK);
    return ok('model cache', `${cacheDir}${parent === cacheDir ? '' : ' (not made yet)'}${mode}`);
  } catch {
    return note('model cache', `${cacheDir} cannot be written: only what it holds is used${mode}`);
  }
}

function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}
