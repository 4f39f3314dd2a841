import { createHash } from 'node:crypto';

import type { Example } from '../example.js';
import { comparable } from '../parse.js';
import type { Recipe, Unit, Verdict } from '../recipe.js';
import { philox4x32 } from '../../random/philox.js';
import type { RecipeOptions } from './options.js';
import {
  answerOf,
  dropVerdict,
  exampleVerdict,
  inputOf,
  joinTexts,
  missingCalls,
  unitOfRow,
} from './rows.js';
import type { Answers } from './rows.js';
import { settingReader } from './settings.js';
import { takeTemplate } from './templates_taken.js';

/** Characters that the first call chooses from. */
const candidateCount = 5;

/**
 * Qwen3's way from a passage to a query: one call chooses who would ask, what kind of question and
 * how hard, the next one writes it (METHODS 10). Setting `language` is the query's.
 */
export function qwen3(options: RecipeOptions): Recipe {
  const { templates, settings, personas = [], findCharacters = drawCharacters } = options;
  const read = settingReader('qwen3', settings);
  const language = read.texts('language')[0] ?? 'English';
  const configure = takeTemplate(templates, 'qwen3-configure', {
    inputs: ['passage', 'characters'],
    shape: 'texts',
    fields: ['character', 'type', 'difficulty'],
  });
  const write = takeTemplate(templates, 'qwen3-write', {
    inputs: ['passage', 'character', 'type', 'difficulty', 'language'],
    shape: 'texts',
    writes: ['positive'],
  });
  if (personas.length < candidateCount) {
    throw new RangeError(
      `expected ${candidateCount} personas or more to choose from, received ${personas.length}`,
    );
  }
  return {
    name: 'qwen3',
    input: 'texts',
    settings: read.done(),
    before: [],
    last: {
      name: 'write',
      async *units(rows) {
        for await (const row of rows) {
          const unit = unitOfRow(row);
          const found = await findCharacters(inputOf(unit, 'text'), personas, unit.id);
          yield { ...unit, inputs: { ...unit.inputs, characters: found.join('\n') } };
        }
      },
      next(unit: Unit, answers: Answers): Verdict<Example> {
        const passage = inputOf(unit, 'text');
        const characters = inputOf(unit, 'characters');
        const first = missingCalls(
          [{ name: 'configure', template: configure, inputs: { passage, characters } }],
          answers,
        );
        if (first !== undefined) return first;
        const { fields } = answerOf(answers, 'configure').parsed;
        const character = oneOf(characters.split('\n'), fields.get('character') ?? '');
        if (character === undefined) {
          const detail = 'expected one of the five characters that were offered';
          return dropVerdict('unparsable', detail, 'configure');
        }
        const type = fields.get('type') ?? '';
        const difficulty = fields.get('difficulty') ?? '';
        const inputs = { passage, character, type, difficulty, language };
        const second = missingCalls([{ name: 'write', template: write, inputs }], answers);
        if (second !== undefined) return second;
        const answer = answerOf(answers, 'write');
        return exampleVerdict(
          unit,
          joinTexts([answer]),
          [answerOf(answers, 'configure').provenance, answer.provenance],
          { task: `${type}-${difficulty}` },
        );
      },
    },
  };
}

function oneOf(offered: readonly string[], answer: string): string | undefined {
  const wanted = comparable(answer).replace(/\.$/, '');
  return offered.find((text) => comparable(text).replace(/\.$/, '') === wanted);
}

/** Five different personas, a function of the passage's id alone. */
export function drawCharacters(
  _passage: string,
  personas: readonly string[],
  id: string,
): readonly string[] {
  const digest = createHash('sha256')
    .update(JSON.stringify(['characters', id]))
    .digest();
  const left = [...personas];
  return Array.from({ length: candidateCount }, (_, draw) => {
    const words = Uint32Array.of(draw, digest.readUInt32LE(0), digest.readUInt32LE(4), 0);
    philox4x32(words, digest.readUInt32LE(8), digest.readUInt32LE(12));
    return left.splice(Math.floor((words[0]! / 2 ** 32) * left.length), 1)[0]!;
  });
}
