import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { Encoder, train } from '#dist/index.js';
import type { EqualTexts, GradientBatch, Loss } from '#dist/train/loss.js';
import { loadRecipe, recipeNames } from '#dist/train/recipe.js';
import { repoRoot } from '../shared_data.js';
import { temporaryFolder } from '../temporary_folder.js';

const model = join(repoRoot, 'test/golden/bert-erf');
const temperature = 0.05;
const dropout = { hidden: 0, attention: 0 };
// The second example's positive is the first's, but for case; the third's hard negative its own anchor.
const anchors = ['a man plays', 'the woman plays a game', 'a long text'];
const positives = ['the man', 'The man', 'one long word'];
const hardNegatives = ['no game', 'a naive text', 'a long text'];
const text = (row: string): string => row.toLowerCase();

/** Cosines of the anchors with positives, then hard negatives, in float64. */
async function cosines(encoder: Encoder): Promise<number[][]> {
  const all = [...anchors, ...positives, ...hardNegatives];
  const { embeddings, shape } = await encoder.embed(all, { normalize: true });
  const row = (i: number) => Array.from(embeddings.subarray(i * shape[1], (i + 1) * shape[1]));
  return anchors.map((_, i) =>
    all.slice(3).map((_text, c) => {
      const other = row(3 + c);
      return row(i).reduce((sum, value, k) => sum + value * other[k]!, 0);
    }),
  );
}

/** SimCSE eq. 5 as printed: every candidate in the sum, or without those of equal text. */
function infoNce(rows: readonly (readonly number[])[], equalTexts: EqualTexts): number {
  const candidates = [...positives, ...hardNegatives].map(text);
  const losses = rows.map((row, i) => {
    const own = [text(anchors[i]!), text(positives[i]!)];
    const kept = row.filter(
      (_, c) => c === i || equalTexts === 'negatives' || !own.includes(candidates[c]!),
    );
    const sum = kept.reduce((total, cosine) => total + Math.exp(cosine / temperature), 0);
    return Math.log(sum) - row[i]! / temperature;
  });
  return losses.reduce((sum, loss) => sum + loss / rows.length, 0);
}

const near = (found: number, expected: number, what: string): void =>
  assert.ok(Math.abs(found - expected) < 1e-4 * expected, `${what}: ${found}, not ${expected}`);

test('a text of the anchor or positive is a negative where that is said', async () => {
  const loss: Loss = { kind: 'infoNce', temperature };
  await using encoder = await Encoder.load(model, {
    trains: { kind: 'all' },
    pooling: 'mean',
    dropout,
  });
  const rows = await cosines(encoder);
  const batch: GradientBatch = {
    anchors,
    positives,
    hardNegatives: hardNegatives.map((negative) => [negative]),
  };
  const examples = anchors.map((anchor, i) => ({
    anchor,
    positive: positives[i]!,
    hardNegatives: [hardNegatives[i]!],
  }));
  const [excluded, released] = [infoNce(rows, 'exclude'), infoNce(rows, 'negatives')];
  assert.ok(released > 1.1 * excluded, 'the two differ');
  const lossOf = async (given: Parameters<typeof encoder.accumulateGradients>[0]) =>
    (await encoder.accumulateGradients(given, loss)).loss;
  near(await lossOf(batch), excluded, 'default');
  near(await lossOf({ ...batch, equalTexts: 'exclude' }), excluded, 'exclude');
  near(await lossOf({ ...batch, equalTexts: 'negatives' }), released, 'negatives');
  near(await lossOf({ examples, equalTexts: 'negatives' }), released, 'examples');
  const wrong = { ...batch, equalTexts: 'drop' as EqualTexts };
  await assert.rejects(lossOf(wrong), {
    name: 'RangeError',
    message: 'expected equalTexts to be one of exclude, negatives, received drop',
  });
});

test('released recipes take equal texts as negatives; a run computes so', async (context) => {
  for (const name of await recipeNames()) {
    const { settings, variants } = await loadRecipe(name);
    assert.equal(settings.equalTexts, undefined, name);
    const expected = name === 'distil-small' ? undefined : 'negatives';
    assert.equal(variants['released']?.settings.equalTexts, expected, name);
  }
  const folder = await temporaryFolder(context);
  const data = join(folder, 'triples.tsv');
  const lines = anchors.map((anchor, i) => `${anchor}\t${positives[i]}\t${hardNegatives[i]}`);
  await writeFile(data, `sent0\tsent1\thard_neg\n${lines.join('\n')}\n`);
  const firstLoss = async (variant: string | undefined): Promise<number> => {
    const output = join(folder, variant ?? 'default');
    await train({
      recipe: 'simcse-sup',
      variant,
      model,
      data,
      output,
      maxSteps: 1,
      threads: 1,
      settings: {
        batchSize: 3,
        distinctTexts: false,
        pooling: 'mean',
        head: { train: 'none', test: 'none' },
        dropout,
      },
    });
    const [line] = (await readFile(join(output, 'metrics.jsonl'), 'utf8')).split('\n');
    return (JSON.parse(line!) as { loss: number }).loss;
  };
  await using encoder = await Encoder.load(model, { pooling: 'mean', precision: 'float32' });
  const rows = await cosines(encoder);
  near(await firstLoss(undefined), infoNce(rows, 'exclude'), 'default');
  near(await firstLoss('released'), infoNce(rows, 'negatives'), 'released');
});
