import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createPace } from '#dist/cli/progress.js';

test('the rest is told at the pace of the last half minute, wherever the counting began', () => {
  let clock = 5000;
  const pace = createPace(() => clock);
  const at = (seconds: number, done: number): string => {
    clock = 5000 + 1000 * seconds;
    return pace(done, 1000);
  };
  assert.equal(at(0, 900), '', 'no pace from one look: steps done before are none of it');
  assert.equal(at(2, 904), '48 s left');
  for (let second = 3; second <= 60; ++second) at(second, 904 + (second - 2));
  assert.equal(at(61, 963), '37 s left', 'the first two seconds are forgotten');
  assert.equal(at(62, 1), '', 'the next seed begins anew');
  assert.equal(at(64, 2), '34 min left'.replace('34', '33'));
  assert.equal(pace(3, undefined), '', 'of an unknown whole');
});
