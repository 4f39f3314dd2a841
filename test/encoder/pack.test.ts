import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packTexts } from '#dist/encoder/pack.js';

function unpacked(texts: readonly string[], options = {}): string[] {
  const { bytes, offsets } = packTexts(texts, options);
  return texts.map((_, i) => Buffer.from(bytes.subarray(offsets[i], offsets[i + 1])).toString());
}

test('texts come back whole, blocks of ASCII and others alike', () => {
  const texts = Array.from({ length: 1000 }, (_, i) => (i % 300 === 7 ? `é${i}😀` : `text ${i}`));
  assert.deepEqual(unpacked(texts), texts);
  assert.deepEqual(unpacked(['', '', 'a', '']), ['', '', 'a', '']);
  assert.deepEqual(unpacked([]), []);
});

test('a lone surrogate becomes U+FFFD and is flagged, also where two texts would make a pair', () => {
  const texts = ['a\ud83d', '\ude00b', '😀'];
  assert.deepEqual(unpacked(texts), ['a\ufffd', '\ufffdb', '😀']);
  assert.deepEqual([...packTexts(texts).illFormed], [1, 1, 0]);
});

test('prefix and lower case are put on before the bytes are counted', () => {
  assert.deepEqual(unpacked(['ABC', 'É'], { prefix: 'Q: ', lowercase: true }), ['q: abc', 'q: é']);
});

test('a text over 4 MB and a value that is no string are refused by index', () => {
  const most = 'a'.repeat(4 * 2 ** 20);
  assert.equal(packTexts([most]).bytes.length, most.length);
  for (const longer of [`${most}a`, `${most.slice(1)}é`]) {
    assert.throws(() => packTexts(['', longer]), {
      name: 'RangeError',
      message: 'expected texts[1] of at most 4194304 bytes, received 4194305',
    });
  }
  assert.throws(() => packTexts(['a', 1 as never]), {
    name: 'TypeError',
    message: 'expected texts[1] to be a string, received number',
  });
});
