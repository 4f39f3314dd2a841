import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'csv-parse/sync';
import { csvField, csvLine } from '#dist/files/csv.js';

test('numbers stay as they are, text that reads as a formula is quoted out', () => {
  assert.equal(csvLine([1, -2.5, null, 'plain']), '1,-2.5,,plain\n');
  for (const start of ['=', '+', '-', '@', '\t', '\r', '\n', ' =']) {
    assert.match(csvField(`${start}1+1`), /^"?'/);
  }
  assert.equal(csvField('a "b", c'), '"a ""b"", c"');
});

test('what is written reads back as one field, and never starts a formula', () => {
  const text = fc.string({
    unit: fc.constantFrom('=', '+', '-', '@', '"', ',', '\n', '\r', 'a', ' '),
  });
  fc.assert(
    fc.property(text, (value) => {
      const rows: string[][] = parse(csvLine(['x', value]), { relax_column_count: true });
      assert.equal(rows.length, 1);
      assert.ok([value, `'${value}`].includes(rows[0]![1]!));
      assert.doesNotMatch(rows[0]![1]!, /^[=+\-@\t\r\n]/);
    }),
    { numRuns: 500 },
  );
});
