import type { Example } from '../example.js';
import type { PlannedCall, Recipe, Unit, UnitDrop, Verdict } from '../recipe.js';
import { inputExample, keptFields } from './example_input.js';
import { provenanceOf } from './grade.js';
import type { RecipeOptions } from './options.js';
import { answerOf, dropVerdict, exampleVerdict, missingCalls, unitPerRow } from './rows.js';
import type { Answers } from './rows.js';
import { settingReader } from './settings.js';
import { takeTemplate } from './templates_taken.js';

/**
 * Has mined hard negatives checked, one call each (METHODS 10): a relevant one is dropped, or with
 * `relevant` `promote` becomes the positive of a row of its own; `partial` ones are dropped or kept.
 */
export function judge({ templates, settings }: RecipeOptions): Recipe {
  const read = settingReader('judge', settings);
  const promotes = read.choice('relevant', ['drop', 'promote'], 'drop') === 'promote';
  const keepsPartial = read.choice('partial', ['drop', 'keep'], 'drop') === 'keep';
  const template = takeTemplate(templates, 'judge-negative', {
    inputs: ['anchor', 'positive', 'candidate'],
    shape: 'choice',
    fields: ['verdict'],
    choices: ['relevant', 'partial', 'irrelevant'],
  });
  return {
    name: 'judge',
    input: 'triples',
    settings: read.done(),
    before: [],
    last: {
      name: 'judge',
      units: unitPerRow,
      next(unit: Unit, answers: Answers): Verdict<Example> {
        const { anchor, positive, hardNegatives } = inputExample(unit);
        if (hardNegatives.length === 0) {
          return dropVerdict('missingField', 'expected hard negatives to judge, found none');
        }
        const calls = hardNegatives.map((candidate, index): PlannedCall => {
          return { name: `judge-${index}`, template, inputs: { anchor, positive, candidate } };
        });
        const missing = missingCalls(calls, answers);
        if (missing !== undefined) return missing;
        const verdicts = calls.map(({ name }) =>
          answerOf(answers, name).parsed.fields.get('verdict'),
        );
        const kept = verdicts.map(
          (verdict) => verdict === 'irrelevant' || (verdict === 'partial' && keepsPartial),
        );
        const promoted = verdicts.map((verdict) => promotes && verdict === 'relevant');
        return judged(unit, { calls, answers, kept, promoted });
      },
    },
  };
}

interface Judgement {
  readonly calls: readonly PlannedCall[];
  readonly answers: Answers;
  /** By hard negative: whether it stays one. */
  readonly kept: readonly boolean[];
  readonly promoted: readonly boolean[];
}

function judged(unit: Unit, { calls, answers, kept, promoted }: Judgement): Verdict<Example> {
  const example = inputExample(unit);
  const { anchor, hardNegatives } = example;
  const provenance = provenanceOf(example, calls, answers);
  const negatives = hardNegatives.filter((_, index) => kept[index]);
  const positives = [
    { id: unit.id, positive: example.positive },
    ...hardNegatives.flatMap((positive, index) =>
      promoted[index] === true ? [{ id: `${unit.id}-promoted-${index}`, positive }] : [],
    ),
  ];
  const drops: UnitDrop[] = hardNegatives.flatMap((_, index) =>
    kept[index] === true || promoted[index] === true
      ? []
      : [
          {
            reason: 'grade' as const,
            detail: `expected hard negative ${index + 1} to be none of the positives`,
            call: calls[index]!.name,
          },
        ],
  );
  const rows: Example[] = [];
  for (const { id, positive } of positives) {
    const texts = { anchor, positive, hardNegatives: negatives };
    const verdict = exampleVerdict({ ...unit, id }, texts, provenance, keptFields(example));
    if (verdict.kind === 'rows') rows.push(...verdict.rows);
    if (verdict.kind === 'drop') drops.push(verdict.drop);
  }
  return rows.length > 0 ? { kind: 'rows', rows, drops } : { kind: 'drop', drop: drops.at(-1)! };
}
