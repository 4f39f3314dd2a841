import assert from 'node:assert/strict';
import { readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { embedFile, planEmbedFile } from '#dist/corpus/embed_file.js';
import type { EmbedFileOptions, EmbedFileSummary } from '#dist/corpus/embed_file.js';
import type { SentenceEncoder } from '#dist/encoder/sentence_encoder.js';
import { temporaryFolder } from '../temporary_folder.js';

/** [length, first code unit] of each text; a text `nan` has no finite embedding. */
const lengths: SentenceEncoder = {
  embed: async (texts) => {
    const embeddings = new Float32Array(texts.length * 2);
    for (const [row, text] of texts.entries()) {
      embeddings[row * 2] = text === 'nan' ? NaN : text.length;
      embeddings[row * 2 + 1] = (text.codePointAt(0) ?? 0) / 10;
    }
    const truncated = Uint8Array.from(texts, (text) => (text.length > 100 ? 1 : 0));
    return { embeddings, shape: [texts.length, 2], truncated };
  },
};

async function run(options: EmbedFileOptions): Promise<EmbedFileSummary> {
  return embedFile(lengths, await planEmbedFile(options));
}

function parseNpy(bytes: Buffer): { shape: string; values: Float32Array } {
  const header = bytes.subarray(10, 128).toString('latin1');
  const values = new Float32Array(
    bytes.subarray(128).buffer.slice(bytes.byteOffset + 128, bytes.byteOffset + bytes.length),
  );
  return { shape: /'shape': (\(.*?\))/.exec(header)![1]!, values };
}

test('npy holds one float32 row a record, in input order', async (context) => {
  const folder = await temporaryFolder(context);
  const [input, output] = [join(folder, 'in.txt'), join(folder, 'out.npy')];
  const texts = Array.from({ length: 5000 }, (_, i) => 'ab'.repeat(i % 60));
  await writeFile(input, `${texts.join('\n')}\n`);
  assert.deepEqual(await run({ input, output }), {
    output,
    ok: 5000,
    truncated: texts.filter((text) => text.length > 100).length,
    replaced: 0,
    dimensions: 2,
    failed: 0,
    total: 5000,
    quarantine: null,
  });
  const { shape, values } = parseNpy(await readFile(output));
  assert.equal(shape, '(5000, 2)');
  assert.deepEqual(
    values.filter((_, i) => i % 2 === 0),
    Float32Array.from(texts, (text) => text.length),
  );
  assert.deepEqual((await readdir(folder)).sort(), ['in.txt', 'out.npy']);
});

test('jsonl holds id and embedding, and its digits give the same float32 back', async (context) => {
  const folder = await temporaryFolder(context);
  const [input, output] = [join(folder, 'in.csv'), join(folder, 'out.jsonl')];
  await writeFile(input, 'key,body\n007,a\n"x,y",\n');
  const options = { input, output, textField: 'body', idField: 'key' };
  assert.equal((await run(options)).ok, 2);
  const lines = (await readFile(output, 'utf8')).trimEnd().split('\n');
  const first = JSON.parse(lines[0]!) as { id: string; embedding: number[] };
  assert.deepEqual([first.id, Math.fround(first.embedding[1]!)], ['007', Math.fround(9.7)]);
  assert.ok(lines[0]!.length < 50, 'no digits past those of float32');
  assert.deepEqual(JSON.parse(lines[1]!), { id: 'x,y', embedding: [0, 0] });
});

test('bad rows go to the quarantine file, good ones to the output in order', async (context) => {
  const folder = await temporaryFolder(context);
  const [input, output] = [join(folder, 'in.jsonl'), join(folder, 'out.npy')];
  await writeFile(
    input,
    '{"text":"a"}\n{"text":5}\n{"text":"nan"}\nnot json\n{"text":"bbb\\ud800"}\n{"text":""}\n',
  );
  const quarantine = `${output}.quarantine.jsonl`;
  assert.deepEqual(await run({ input, output }), {
    output,
    ok: 3,
    truncated: 0,
    replaced: 1,
    dimensions: 2,
    failed: 3,
    total: 6,
    quarantine,
  });
  const { shape, values } = parseNpy(await readFile(output));
  assert.equal(shape, '(3, 2)');
  assert.deepEqual([values[0], values[2], values[4]], [1, 4, 0]);
  const bad = (await readFile(quarantine, 'utf8')).trimEnd().split('\n');
  assert.deepEqual(
    bad.map((line) => JSON.parse(line) as unknown),
    [
      { file: input, line: 2, field: 'text', reason: 'expected a string, received a number' },
      {
        file: input,
        line: 4,
        field: null,
        reason: 'expected a JSON object, received something else',
      },
      {
        file: input,
        line: 3,
        field: null,
        reason: 'expected a finite embedding, received NaN or infinity',
      },
    ],
  );
});

test('strict stops at the first bad row and leaves nothing', async (context) => {
  const folder = await temporaryFolder(context);
  const input = join(folder, 'in.jsonl');
  await writeFile(input, '{"text":"a"}\n{"text":5}\n');
  await assert.rejects(run({ input, output: join(folder, 'out.npy'), strict: true }), {
    code: 'dataInvalid',
    message: `${input}, line 2, field text: expected a string, received a number`,
  });
  assert.deepEqual(await readdir(folder), ['in.jsonl']);
});

test('a file with bad rows alone gives an output of no rows', async (context) => {
  const folder = await temporaryFolder(context);
  const [input, output] = [join(folder, 'in.jsonl'), join(folder, 'out.npy')];
  await writeFile(input, '[]\n');
  const { ok, failed } = await run({ input, output });
  assert.deepEqual([ok, failed], [0, 1]);
  assert.equal(parseNpy(await readFile(output)).shape, '(0, 2)');
});

test('a failing or cancelled run leaves an old output untouched', async (context) => {
  const folder = await temporaryFolder(context);
  const [input, output] = [join(folder, 'in.txt'), join(folder, 'out.npy')];
  await writeFile(input, 'a\n');
  await writeFile(output, 'old');
  const plan = await planEmbedFile({ input, output, overwrite: true });
  const failing: SentenceEncoder = { embed: () => Promise.reject(new Error('lost')) };
  await assert.rejects(embedFile(failing, plan), /lost/);
  const signal = AbortSignal.abort();
  await assert.rejects(run({ input, output, overwrite: true, signal }), { code: 'cancelled' });
  assert.equal(await readFile(output, 'utf8'), 'old');
  assert.deepEqual((await readdir(folder)).sort(), ['in.txt', 'out.npy']);
});

test('an output that exists, is the input, or has no known form is refused first', async (context) => {
  const folder = await temporaryFolder(context);
  const input = join(folder, 'in.jsonl');
  await writeFile(input, '{"text":"a"}\n');
  await writeFile(join(folder, 'old.npy'), 'old');
  await symlink(input, join(folder, 'link.jsonl'));
  const plan = (output: string, more: Partial<EmbedFileOptions> = {}) =>
    planEmbedFile({ input, output: join(folder, output), ...more });
  await assert.rejects(plan('old.npy'), { code: 'outputExists', message: /pass --overwrite/ });
  await assert.rejects(plan('in.jsonl', { overwrite: true }), RangeError);
  await assert.rejects(plan('link.jsonl', { overwrite: true }), RangeError);
  await assert.rejects(plan('a.npy', { quarantine: input, overwrite: true }), RangeError);
  await assert.rejects(plan('out.parquet'), { code: 'unsupported', message: /\.npy or \.jsonl/ });
  await assert.rejects(plan('out.npy', { input: join(folder, 'in.gz') }), {
    code: 'unsupported',
  });
  const fields = { input, inputFormat: 'txt', textField: 'x' } as const;
  await assert.rejects(plan('out.npy', fields), /expected --text-field/);
  await writeFile(join(folder, 'b.npy.quarantine.jsonl'), '');
  await assert.rejects(plan('b.npy'), { code: 'outputExists', message: /quarantine/ });
});
