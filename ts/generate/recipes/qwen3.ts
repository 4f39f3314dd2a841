import type { Example } from '../example.js';
import { comparable } from '../parse.js';
import type { PlannedCall, Recipe, Unit, Verdict } from '../recipe.js';
import type { Template } from '../template.js';
import { namedDraws } from '../../random/named_draws.js';
import { candidateCount } from './options.js';
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

/**
 * Qwen3's way from a passage to a query: one call chooses who would ask, what kind of question and
 * how hard, the next one writes it (METHODS 10). Setting `language` is the query's; `characters` says
 * whether the five that are offered are drawn, or those nearest to the passage by an encoder.
 */
export function qwen3(options: RecipeOptions): Recipe {
  const { templates, settings, personas = [] } = options;
  const read = settingReader('qwen3', settings);
  const nearest = read.choice('characters', ['drawn', 'nearest'], 'drawn') === 'nearest';
  const findCharacters = nearest ? options.findCharacters : drawCharacters;
  if (findCharacters === undefined) {
    throw new RangeError('expected an encoder (--model) for characters=nearest, received none');
  }
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
        const first = missingCalls([configureCall(configure, passage, characters)], answers);
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

/** What is made up for it names a character that was offered: the second call depends on it. */
function configureCall(template: Template, passage: string, characters: string): PlannedCall {
  const [character] = characters.split('\n');
  const madeUp = JSON.stringify({ character, type: 'keywords', difficulty: 'university' });
  return { name: 'configure', template, inputs: { passage, characters }, madeUp };
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
  const next = namedDraws(JSON.stringify(['characters', id]));
  const left = [...personas];
  return Array.from(
    { length: candidateCount },
    () => left.splice(Math.floor(next() * left.length), 1)[0]!,
  );
}
