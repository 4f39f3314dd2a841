import type { Example } from '../example.js';
import type { Recipe, Unit, Verdict } from '../recipe.js';
import { inputExample, keptFields, textsOf } from './example_input.js';
import type { InputExample } from './example_input.js';
import { gradeCall, gradeIn, gradeTemplate, inGradedRoles } from './grading.js';
import type { RecipeOptions } from './options.js';
import { answerOf, dropVerdict, exampleVerdict, missingCalls, unitPerRow } from './rows.js';
import type { Answers } from './rows.js';
import { settingReader } from './settings.js';

/**
 * Grades the pairs of triples one already has, from 0 to 5; with `preFilter` on, roles are swapped
 * and triples dropped as MultiCSR does (METHODS 6). What to keep by the grades is `curate`'s.
 */
export function grade({ templates, settings }: RecipeOptions): Recipe {
  const read = settingReader('grade', settings);
  const filter = read.choice('preFilter', ['on', 'off'], 'on') === 'on';
  const template = gradeTemplate(templates);
  return {
    name: 'grade',
    input: 'triples',
    settings: read.done(),
    before: [],
    last: {
      name: 'grade',
      units: unitPerRow,
      next(unit: Unit, answers: Answers): Verdict<Example> {
        const example = inputExample(unit);
        const { anchor, positive, hardNegatives } = example;
        if (hardNegatives.length === 0) {
          return dropVerdict('missingField', 'expected a hard negative to grade, found none');
        }
        const calls = [
          gradeCall(template, 'grade-positive', anchor, positive),
          ...hardNegatives.map((text, index) =>
            gradeCall(template, `grade-negative-${index}`, anchor, text),
          ),
        ];
        const missing = missingCalls(calls, answers);
        if (missing !== undefined) return missing;
        const [first, ...others] = calls.map(({ name }) => gradeIn(answerOf(answers, name)));
        const triple = filter
          ? inGradedRoles(textsOf(example), first!, others)
          : {
              texts: textsOf(example),
              grades: { positive: first!, negative: Math.max(...others) },
            };
        if ('kind' in triple) return triple;
        return exampleVerdict(unit, triple.texts, provenanceOf(example, calls, answers), {
          ...keptFields(example),
          positiveScore: triple.grades.positive,
          negativeScore: triple.grades.negative,
        });
      },
    },
  };
}

/** Of the example's own calls first, where they are known, then of these. */
export function provenanceOf(
  { provenance = [] }: InputExample,
  calls: readonly { readonly name: string }[],
  answers: Answers,
): Example['provenance'] {
  return [...provenance, ...calls.map(({ name }) => answerOf(answers, name).provenance)];
}
