import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Example } from '#dist/generate/example.js';
import { nearDuplicateRows } from '#dist/generate/near_duplicate_rows.js';

function row(id: string, anchor: string, positive: string): Example {
  return { id, anchor, positive, hardNegatives: [], provenance: [] };
}

test('a row that is nearly an earlier one is dropped, and named', async () => {
  const { check } = nearDuplicateRows(0.8);
  const text = 'The ferry to the island leaves twice a day in summer';
  assert.equal(await check(row('a', `${text}.`, 'Boats go there.')), undefined);
  const drop = await check(row('b', `${text}!`, 'Boats go there.'));
  assert.match(drop?.detail ?? '', /similarity 0\.\d+ to a$/);
  // Another positive makes it another row; a dropped row is no one's pattern.
  assert.equal(await check(row('c', `${text}!`, 'Nobody rows across at night.')), undefined);
});
