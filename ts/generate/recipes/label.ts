import type { Example } from '../example.js';
import type { PlannedCall, Recipe, Unit, Verdict } from '../recipe.js';
import type { Template } from '../template.js';
import { inputExample, keptFields, textsOf } from './example_input.js';
import { provenanceOf } from './grade.js';
import { gradeCall, gradeIn, gradeTemplate } from './grading.js';
import type { RecipeOptions } from './options.js';
import { answerOf, exampleRow, missingCalls, unitPerRow } from './rows.js';
import type { Answers } from './rows.js';
import { settingReader } from './settings.js';
import { takeTemplate } from './templates_taken.js';

/** What `similar` and `dissimilar` come to on the scale of the grades. */
export const verdictScores = { similar: 5, dissimilar: 0 } as const;

/**
 * Scores pairs one already has: `as` `grade` asks for 0 to 5, `verdict` for similar or dissimilar,
 * which is how Sim-GPT uses an LLM directly. The score is the row's `positiveScore`.
 */
export function label({ templates, settings }: RecipeOptions): Recipe {
  const read = settingReader('label', settings);
  const kind = read.choice('as', ['grade', 'verdict'], 'grade');
  const template = kind === 'grade' ? gradeTemplate(templates) : verdictTemplate(templates);
  return {
    name: 'label',
    input: 'pairs',
    settings: read.done(),
    before: [],
    last: {
      name: 'label',
      units: unitPerRow,
      next(unit: Unit, answers: Answers): Verdict<Example> {
        const example = inputExample(unit);
        const { anchor, positive } = example;
        const calls: readonly PlannedCall[] = [gradeCall(template, 'label', anchor, positive)];
        const missing = missingCalls(calls, answers);
        if (missing !== undefined) return missing;
        const answer = answerOf(answers, 'label');
        const score =
          kind === 'grade'
            ? gradeIn(answer)
            : verdictScores[answer.parsed.fields.get('verdict') as keyof typeof verdictScores];
        const texts = { ...textsOf(example), hardNegatives: [] };
        const row = exampleRow(unit, texts, provenanceOf(example, calls, answers), {
          ...keptFields(example),
          positiveScore: score,
        });
        return { kind: 'rows', rows: [row] };
      },
    },
  };
}

function verdictTemplate(templates: ReadonlyMap<string, Template>): Template {
  return takeTemplate(templates, 'label-verdict', {
    inputs: ['first', 'second'],
    shape: 'choice',
    fields: ['verdict'],
    choices: Object.keys(verdictScores),
  });
}
