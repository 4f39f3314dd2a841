// A line of a batch file, and of what comes back: joined by custom_id alone.
import { createHash } from 'node:crypto';
import { isJsonObject, parseJson } from '../files/json.js';
import type { Exchange } from './exchange.js';
import type { OutputLimitField } from './openai_api.js';
import { paramsOf } from './provider.js';
import type { ChatRequest } from './provider.js';

/** Longer names are sent as their sha256. */
const longestName = 256;

/** The name of an attempt in a batch file: itself where every server takes it. */
export function customId(name: string): string {
  return name.length <= longestName && /^[\x21-\x7e]+$/.test(name)
    ? name
    : createHash('sha256').update(name).digest('hex');
}

export function requestLine(
  name: string,
  request: ChatRequest,
  outputLimitField: OutputLimitField,
  structured: boolean,
): Buffer {
  const body = paramsOf(request, outputLimitField, structured);
  const line = { custom_id: customId(name), method: 'POST', url: '/v1/chat/completions', body };
  return Buffer.from(`${JSON.stringify(line)}\n`);
}

/** What a line says of one request. */
export interface ResultLine {
  readonly customId: string;
  readonly result:
    | { readonly kind: 'exchange'; readonly exchange: Exchange }
    /** Not run at all, in the server's own word. */
    | { readonly kind: 'notRun'; readonly code: string }
    | { readonly kind: 'unclear' };
}

/** Undefined for a line that names no request. */
export function readResultLine(line: Buffer): ResultLine | undefined {
  const json = parsed(line);
  if (!isJsonObject(json) || typeof json['custom_id'] !== 'string') return undefined;
  const { custom_id: name, response, error } = json;
  if (isJsonObject(response) && isStatus(response['status_code'])) {
    const body = Buffer.from(JSON.stringify(response['body'] ?? null));
    const headers = new Map([['content-type', 'application/json']]);
    const status = response['status_code'];
    const exchange = { kind: 'answered', status, headers, body } as const;
    return { customId: name, result: { kind: 'exchange', exchange } };
  }
  const code = isJsonObject(error) ? error['code'] : undefined;
  const isNotRun = code === 'batch_expired' || code === 'batch_cancelled';
  return { customId: name, result: isNotRun ? { kind: 'notRun', code } : { kind: 'unclear' } };
}

function parsed(line: Buffer): unknown {
  try {
    return parseJson(line, 'line');
  } catch {
    return undefined;
  }
}

function isStatus(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 100 && value < 600;
}
