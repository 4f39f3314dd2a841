import type { Example } from '../example.js';
import type { Recipe, Unit, Verdict } from '../recipe.js';
import { exampleDrop } from '../parse.js';
import {
  curationDrop,
  curationSetting,
  gradeCall,
  gradeIn,
  gradeTemplate,
  inGradedRoles,
} from './grading.js';
import type { RecipeOptions } from './options.js';
import { answerOf, exampleVerdict, inputOf, joinTexts, missingCalls, unitPerRow } from './rows.js';
import type { Answers } from './rows.js';
import { settingReader } from './settings.js';
import { takeTemplate } from './templates_taken.js';

/**
 * MultiCSR through an API: an entailed and a contradicting sentence, both graded against the
 * premise, roles swapped or the triple dropped by the pre-filter, then curated (METHODS 6).
 */
export function multicsr({ templates, settings }: RecipeOptions): Recipe {
  const read = settingReader('multicsr', settings);
  const rule = curationSetting(read);
  const taken = { inputs: ['sentence'], shape: 'texts' } as const;
  const positive = takeTemplate(templates, 'multicsr-positive', { ...taken, writes: ['positive'] });
  const negative = takeTemplate(templates, 'multicsr-negative', {
    ...taken,
    writes: ['hardNegatives'],
  });
  const grade = gradeTemplate(templates);
  return {
    name: 'multicsr',
    input: 'texts',
    settings: read.done(),
    before: [],
    last: {
      name: 'write',
      units: unitPerRow,
      next(unit: Unit, answers: Answers): Verdict<Example> {
        const inputs = { sentence: inputOf(unit, 'text') };
        const written = missingCalls(
          [
            { name: 'positive', template: positive, inputs },
            { name: 'negative', template: negative, inputs },
          ],
          answers,
        );
        if (written !== undefined) return written;
        const texts = joinTexts([answerOf(answers, 'positive'), answerOf(answers, 'negative')]);
        // What makes no triple is not worth two grades.
        const drop = exampleDrop(texts);
        if (drop !== undefined) return { kind: 'drop', drop };
        const { anchor } = texts;
        const graded = missingCalls(
          [
            gradeCall(grade, 'grade-positive', anchor, texts.positive ?? ''),
            gradeCall(grade, 'grade-negative', anchor, texts.hardNegatives[0] ?? ''),
          ],
          answers,
        );
        if (graded !== undefined) return graded;
        const triple = inGradedRoles(texts, gradeIn(answerOf(answers, 'grade-positive')), [
          gradeIn(answerOf(answers, 'grade-negative')),
        ]);
        if ('kind' in triple) return triple;
        return (
          curationDrop(triple.grades, rule) ??
          exampleVerdict(unit, triple.texts, provenanceOf(answers), {
            positiveScore: triple.grades.positive,
            negativeScore: triple.grades.negative,
          })
        );
      },
    },
  };
}

const calls = ['positive', 'negative', 'grade-positive', 'grade-negative'];

function provenanceOf(answers: Answers): Example['provenance'] {
  return calls.map((call) => answerOf(answers, call).provenance);
}
