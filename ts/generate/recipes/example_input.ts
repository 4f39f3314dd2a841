import type { Example } from '../example.js';
import type { ExampleTexts } from '../parse.js';
import type { Unit } from '../recipe.js';
import { inputOf } from './rows.js';
import type { RowFields } from './rows.js';

/** A pair or triple that the user has, as a unit carries it. */
export type InputExample = Pick<Example, 'anchor' | 'positive' | 'hardNegatives'> & {
  readonly [field in keyof RowFields | 'provenance']?: Example[field] | undefined;
};

/** The text of a unit's input `example`. */
export function exampleInput(example: InputExample): string {
  return JSON.stringify(example);
}

/** The texts of a unit made from a pair or triple. */
export function textsOf({ anchor, positive, hardNegatives }: InputExample): ExampleTexts {
  return { anchor, positive, hardNegatives };
}

/** The pair or triple that a unit was made from. */
export function inputExample(unit: Unit): InputExample {
  return JSON.parse(inputOf(unit, 'example')) as InputExample;
}

/** What a row keeps of the example it was made from: everything but texts and provenance. */
export function keptFields(example: InputExample): RowFields {
  const { positiveScore, negativeScore, instruction, task, group } = example;
  return {
    ...(positiveScore === undefined ? {} : { positiveScore }),
    ...(negativeScore === undefined ? {} : { negativeScore }),
    ...(instruction === undefined ? {} : { instruction }),
    ...(task === undefined ? {} : { task }),
    ...(group === undefined ? {} : { group }),
  };
}
