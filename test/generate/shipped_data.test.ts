import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readDataLines } from '#dist/generate/shipped_data.js';
import { repoRoot } from '../shared_data.js';

test('the sentence files hold enough lines, each once and within the word limit', async () => {
  const least = {
    'sentences.txt': 300,
    'captions.txt': 100,
    'questions.txt': 100,
    'personas.txt': 100,
  };
  for (const [name, count] of Object.entries(least)) {
    const lines = await readDataLines(name);
    assert.ok(lines.length >= count, `${name}: ${lines.length}`);
    assert.equal(new Set(lines.map((line) => line.toLowerCase())).size, lines.length, name);
    for (const line of lines) {
      assert.equal(line, line.trim());
      assert.ok(line.split(' ').length <= 32, line);
    }
  }
  for (const question of await readDataLines('questions.txt')) assert.match(question, /\?$/);
});

test('the graded pairs are 200 or more on the whole scale, in texts of their own', async () => {
  const text = await readFile(join(repoRoot, 'data/pairs.tsv'), 'utf8');
  const [header, ...lines] = text.trim().split('\n');
  assert.equal(header, 'split\tsubset\tscore\tsentence1\tsentence2');
  assert.ok(lines.length >= 200);
  const sources = new Set<string>();
  for (const name of ['sentences.txt', 'captions.txt', 'questions.txt']) {
    for (const line of await readDataLines(name)) sources.add(line.toLowerCase());
  }
  const seen = new Set<string>();
  const bands = new Map<number, number>();
  for (const line of lines) {
    const cells = line.split('\t');
    assert.equal(cells.length, 5, line);
    const [split, , score, a, b] = cells;
    assert.ok(split === 'dev' || split === 'test', line);
    assert.ok(Number(score) >= 0 && Number(score) <= 5 && /^\d\.\d$/.test(score!), line);
    for (const sentence of [a!, b!]) {
      assert.ok(!seen.has(sentence.toLowerCase()), sentence);
      // What a model is measured on is nothing that a rehearsal trains it on.
      assert.ok(!sources.has(sentence.toLowerCase()), sentence);
      seen.add(sentence.toLowerCase());
    }
    const band = Math.min(Math.floor(Number(score)), 4);
    bands.set(band, (bands.get(band) ?? 0) + 1);
  }
  for (const band of [0, 1, 2, 3, 4]) assert.ok(bands.get(band)! >= 25, `band ${band}`);
});
