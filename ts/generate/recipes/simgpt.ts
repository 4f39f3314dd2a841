import type { Example } from '../example.js';
import type { Recipe, Unit, Verdict } from '../recipe.js';
import type { RecipeOptions } from './options.js';
import { answerOf, exampleVerdict, inputOf, joinTexts, missingCalls, unitPerRow } from './rows.js';
import type { Answers } from './rows.js';
import { settingReader } from './settings.js';
import { takeTemplate, withShots } from './templates_taken.js';

/** The kinds of source sentence; each has a template with worked examples of its own. */
export const simgptKinds = ['captions', 'questions', 'sentences'] as const;

/**
 * Sim-GPT: one call per source sentence writes a similar and a dissimilar one (METHODS 4). Setting
 * `kind` names the source, `shots` the number of worked examples.
 */
export function simgpt({ templates, settings }: RecipeOptions): Recipe {
  const read = settingReader('simgpt', settings);
  const kind = read.choice('kind', simgptKinds, 'sentences');
  const shipped = takeTemplate(templates, `simgpt-${kind}`, {
    inputs: ['sentence'],
    shape: 'texts',
    writes: ['positive', 'hardNegatives'],
  });
  const template = withShots(shipped, read.integer('shots', 0, 1000, shipped.examples?.count ?? 0));
  return {
    name: 'simgpt',
    input: 'texts',
    settings: read.done(),
    before: [],
    last: {
      name: 'write',
      units: unitPerRow,
      next(unit: Unit, answers: Answers): Verdict<Example> {
        const call = { name: 'write', template, inputs: { sentence: inputOf(unit, 'text') } };
        const missing = missingCalls([call], answers);
        if (missing !== undefined) return missing;
        const answer = answerOf(answers, 'write');
        return exampleVerdict(unit, joinTexts([answer]), [answer.provenance]);
      },
    },
  };
}
