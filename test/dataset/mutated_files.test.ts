import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readExamples } from '#dist/dataset/examples.js';
import { openInput } from '#dist/dataset/input.js';
import { SimgptError } from '#dist/errors.js';
import { fillPhilox } from '#dist/random/philox.js';
import { temporaryFolder } from '../temporary_folder.js';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** More for a long run: nothing else changes with it. */
const trials = Number(process.env['SIMGPT_FUZZ_TRIALS'] ?? 1000);

const rows = Array.from({ length: 12 }, (_, i) => ({
  id: String(i),
  anchor: `anchor "${i}", é😀`,
  positive: `positive\t${i}`,
  hardNegatives: [`negative\n${i}`],
  positiveScore: i / 2,
}));
const whole = {
  'm.jsonl': rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
  'm.csv': `sent0,sent1,hard_neg\r\n${rows.map(({ id }) => `"a, ""${id}""",b ${id},"c\n${id}"\r\n`).join('')}`,
  'm.tsv': `sent0\tsent1\n${rows.map(({ id }) => `a ${id}\tb "${id}\n`).join('')}`,
  'm.txt': rows.map(({ id }) => `text ${id}\n`).join(''),
};

/** Bytes that parsers look at, put in, put in place of others, taken out or doubled by counters. */
function mutate(bytes: Buffer, draw: number): Buffer {
  const words = new Uint32Array(12);
  fillPhilox(words, { seed: 77, stream: 0, draw });
  const special = Buffer.from('"\\\n\r,\t{}[]:\0\u001b\u007f=-e9\ufeff\u2028');
  let mutated = bytes;
  for (let i = 0; i < 1 + (words[0]! % 3); i++) {
    const [place, kind, value, length] = words.subarray(
      1 + 3 * i,
      5 + 3 * i,
    ) as unknown as number[];
    const at = place! % (mutated.length + 1);
    const end = Math.min(mutated.length, at + (length! % 9));
    const put = Buffer.of(value! % 2 === 0 ? special[value! % special.length]! : value! & 0xff);
    const parts = [
      [mutated.subarray(0, at), put, mutated.subarray(at)],
      [mutated.subarray(0, at), put, mutated.subarray(end)],
      [mutated.subarray(0, at), mutated.subarray(end)],
      [mutated.subarray(0, end), mutated.subarray(at)],
    ][kind! % 4]!;
    mutated = Buffer.concat(parts);
  }
  return mutated;
}

/** Reads to the end: lines never fall, every row is whole, and what is thrown is ours and says where. */
async function readThrough(name: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  let line = 0;
  try {
    for await (const row of readExamples({ name, chunks })) {
      assert.ok(row.line >= line, `${row.line} after ${line}`);
      line = row.line;
      if (row.problem === undefined) {
        assert.ok(row.anchor.trim() !== '' && row.positive.trim() !== '' && row.id !== '');
        assert.ok(row.hardNegatives.every((text) => typeof text === 'string'));
        assert.ok(row.positiveScore === undefined || Number.isFinite(row.positiveScore));
      } else {
        assert.match(row.problem, /^expected /);
      }
    }
  } catch (error) {
    assert.ok(error instanceof SimgptError, String(error));
    assert.equal(error.code, 'dataInvalid');
    assert.ok(error.message.includes(name), error.message);
  }
}

test(`${trials} mutations of each text form: rows, problems, or one typed error`, async () => {
  for (const [name, content] of Object.entries(whole)) {
    for (let draw = 0; draw < trials; draw++) {
      const bytes = mutate(Buffer.from(content), draw);
      const split = draw % (bytes.length + 1);
      const chunks = (async function* () {
        yield bytes.subarray(0, split);
        yield bytes.subarray(split);
      })();
      await readThrough(name, chunks);
    }
  }
});

test('300 mutations of a gzip file: the same', async (context) => {
  const path = join(await temporaryFolder(context), 'm.jsonl');
  const packed = gzipSync(whole['m.jsonl']);
  for (let draw = 0; draw < 300; draw++) {
    await writeFile(path, mutate(packed, draw));
    const { name, chunks } = await openInput(path);
    await readThrough(name, chunks);
  }
});
