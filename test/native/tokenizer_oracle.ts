import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Tokenizer as ReferenceTokenizer } from 'tokenizers';
import { native } from '#dist/native.js';
import type { NativeTokenizeOptions, NativeTokenizer, NativeTokenizerSpec } from '#dist/native.js';

/** Texts as the addon takes them: UTF-8, one after the other, with texts + 1 offsets. */
export function packed(texts: readonly string[]): { bytes: Uint8Array; offsets: Float64Array } {
  const parts = texts.map((text) => Buffer.from(text));
  const offsets = new Float64Array(texts.length + 1);
  parts.forEach((part, i) => (offsets[i + 1] = offsets[i]! + part.length));
  return { bytes: Buffer.concat(parts), offsets };
}

export function loadOurs(spec: NativeTokenizerSpec | string): Promise<NativeTokenizer> {
  const whole = typeof spec === 'string' ? { kind: 'tokenizerJson' as const, path: spec } : spec;
  return native().loadTokenizer(whole, 0);
}

/** The ids of each text, one array a text. */
export async function idsOf(
  tokenizer: NativeTokenizer,
  texts: readonly string[],
  options: NativeTokenizeOptions = {},
): Promise<number[][]> {
  const { bytes, offsets } = packed(texts);
  const { tokenIds, cuSeqlens } = await tokenizer.tokenize(bytes, offsets, options, 0);
  return texts.map((_, i) => Array.from(tokenIds.subarray(cuSeqlens[i], cuSeqlens[i + 1])));
}

/** `tokenizers` 0.23 with the file's own truncation and padding off. */
export function loadReference(json: string): ReferenceTokenizer {
  const tokenizer = ReferenceTokenizer.fromString(json);
  tokenizer.disableTruncation();
  tokenizer.disablePadding();
  return tokenizer;
}

export interface Difference {
  readonly text: string;
  readonly ours: readonly number[];
  readonly reference: readonly number[];
}

/** Texts whose ids differ from the reference's, in blocks so that neither side holds all of them. */
export async function differences(
  ours: NativeTokenizer,
  reference: ReferenceTokenizer,
  texts: readonly string[],
  addSpecialTokens = true,
): Promise<Difference[]> {
  const found: Difference[] = [];
  const block = 4096;
  for (let first = 0; first < texts.length; first += block) {
    const some = texts.slice(first, first + block);
    const [own, encodings] = await Promise.all([
      idsOf(ours, some, { addSpecialTokens }),
      reference.encodeBatch(some, { addSpecialTokens }),
    ]);
    for (const [i, text] of some.entries()) {
      const wanted = encodings[i]!.getIds();
      const got = own[i]!;
      if (got.length !== wanted.length || got.some((id, k) => id !== wanted[k])) {
        found.push({ text, ours: got, reference: wanted });
      }
    }
  }
  return found;
}

export const tokenizerNames = ['bert-base-uncased', 'bert-base-cased', 'gpt2', 'roberta-base'];

export function tokenizerPath(shared: string, name: string, file = 'tokenizer.json'): string {
  return join(shared, 'data/tokenizers', name, file);
}

/** The text columns of every table in a folder of the shared data, repeats included. */
export function textsOf(shared: string, folder: 'sts' | 'pairs'): string[] {
  const columns = new Set(['sentence1', 'sentence2', 'positive', 'negative']);
  const texts: string[] = [];
  for (const name of readdirSync(join(shared, 'data', folder)).sort()) {
    if (!/\.tsv(\.gz)?$/.test(name)) continue;
    const bytes = readFileSync(join(shared, 'data', folder, name));
    const lines = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8').split('\n');
    const header = (lines[0] ?? '').split('\t');
    const wanted = header.flatMap((column, i) => (columns.has(column) ? [i] : []));
    for (const line of lines.slice(1)) {
      if (line === '') continue;
      const fields = line.split('\t');
      for (const column of wanted) texts.push(fields[column] ?? '');
    }
  }
  return texts;
}
