// The soak's rows in small: scripts/soak.mjs runs them in full.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { caps, killPoints, killStages, money } from '../soak/generation_rows.js';
import { buildShim, skipWithoutShim } from '../soak/kill_shim.js';
import { temporaryFolder } from '../temporary_folder.js';

const options = { skip: skipWithoutShim };

test('killed at 20 file operations, a run comes out the same', options, async (t) => {
  const root = await temporaryFolder(t);
  const { failures } = await killPoints({ shim: buildShim(root), root, seed: 1, count: 20 });
  assert.deepEqual(failures, []);
});

test('a disk that is full is named, and the run goes on when it is not', options, async (t) => {
  const root = await temporaryFolder(t);
  const ground = { shim: buildShim(root), root, seed: 5 };
  const { failures } = await killPoints({ ...ground, count: 8, errno: 28 });
  assert.deepEqual(failures, []);
});

test('killed between its stages or within them, a run comes out the same', options, async (t) => {
  const root = await temporaryFolder(t);
  const { failures } = await killStages({ shim: buildShim(root), root, seed: 4, count: 4 });
  assert.deepEqual(failures, []);
});

test('through 15 % faults and 4 kills the ledger is the bill to the token', options, async (t) => {
  const root = await temporaryFolder(t);
  const ground = { shim: buildShim(root), root, seed: 2 };
  const { failures, notes } = await money({ ...ground, examples: 300, kills: 4 });
  assert.deepEqual(failures, []);
  assert.ok(Number(notes['killed']) >= 2, JSON.stringify(notes));
});

test('no crash, retry or concurrency passes a cap', options, async (t) => {
  const root = await temporaryFolder(t);
  const { failures, notes } = await caps({ shim: buildShim(root), root, seed: 3, count: 4 });
  assert.deepEqual(failures, []);
  assert.ok(Number(notes['stopped']) > 0);
});
