import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where models are cached and fetched from, by the variables that Python's huggingface_hub obeys. */
export interface HubSettings {
  /** Holds one folder per repository: `models--<namespace>--<name>`. */
  readonly cacheDir: string;
  /** No socket is opened. */
  readonly offline: boolean;
  /** Origin of the hub, without a slash at the end. */
  readonly endpoint: string;
  readonly tokenPath: string;
}

function isOn(value: string | undefined): boolean {
  return ['1', 'on', 'yes', 'true'].includes((value ?? '').toLowerCase());
}

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path;
}

function checkEndpoint(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const usable = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (url === undefined || !usable || url.username !== '' || url.search !== '') {
    throw new RangeError(`expected HF_ENDPOINT to be an http(s) address, received ${value}`);
  }
  return url.href.replace(/\/+$/, '');
}

/** Reads HF_HOME, HF_HUB_CACHE, HF_HUB_OFFLINE, HF_ENDPOINT, HF_TOKEN_PATH and their older names. */
export function readHubSettings(
  environment: Environment = process.env,
  cacheDir?: string,
): HubSettings {
  const set = (name: string): string | undefined => environment[name] || undefined;
  const cacheRoot = set('XDG_CACHE_HOME') ?? join(homedir(), '.cache');
  const home = expandHome(set('HF_HOME') ?? join(cacheRoot, 'huggingface'));
  const cache = set('HF_HUB_CACHE') ?? set('HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub');
  return {
    cacheDir: cacheDir ?? expandHome(cache),
    offline: isOn(set('HF_HUB_OFFLINE')) || isOn(set('TRANSFORMERS_OFFLINE')),
    endpoint: checkEndpoint(set('HF_ENDPOINT') ?? 'https://huggingface.co'),
    tokenPath: expandHome(set('HF_TOKEN_PATH') ?? join(home, 'token')),
  };
}

/** HF_TOKEN, else the file that `hf auth login` writes, else undefined. Never printed. */
export async function readHubToken(
  settings: HubSettings,
  environment: Environment = process.env,
): Promise<string | undefined> {
  const stated = environment['HF_TOKEN'] ?? environment['HUGGING_FACE_HUB_TOKEN'];
  if (stated !== undefined) return cleanToken(stated);
  if (isOn(environment['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return undefined;
  try {
    return cleanToken(await readFile(settings.tokenPath, 'utf8'));
  } catch {
    return undefined;
  }
}

function cleanToken(text: string): string | undefined {
  const token = text.replace(/[\r\n]/g, '').trim();
  // A character that no header can carry would put the token into an error message.
  return /^[\x21-\x7e]{1,4096}$/.test(token) ? token : undefined;
}
