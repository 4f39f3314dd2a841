import type { Example } from '../example.js';
import type {
  IntermediateRow,
  PlannedCall,
  Recipe,
  RecipeStage,
  Unit,
  UnitDrop,
  Verdict,
} from '../recipe.js';
import { distinctUnits, repeatedDrop } from './distinct.js';
import type { RecipeOptions } from './options.js';
import {
  answerOf,
  exampleVerdict,
  inputOf,
  joinTexts,
  missingCalls,
  provenanceField,
  unitPerRow,
} from './rows.js';
import type { Answers } from './rows.js';
import { settingReader } from './settings.js';
import type { SettingReader } from './settings.js';
import { takeTemplate, withShots } from './templates_taken.js';
import { countedUnits, isOfShare } from './unit_counts.js';

/** A written anchor over this many words is dropped (METHODS 5). */
export const maxAnchorWords = 32;

/** Anchors that one call is asked for. */
const anchorsPerCall = 20;

/**
 * SynCSE with anchors one has: a positive and a hard negative per sentence, each by one of four
 * kinds of instruction with five worked examples as chat turns (METHODS 5).
 */
export function syncsePartial(options: RecipeOptions): Recipe {
  const read = settingReader('syncse-partial', options.settings);
  const next = pairWriter(options, read);
  return {
    name: 'syncse-partial',
    input: 'texts',
    settings: read.done(),
    before: [],
    last: { name: 'write', units: unitPerRow, next },
  };
}

/**
 * SynCSE from nothing: anchors by genre and topics, 20 a call, those over 32 words dropped; then as
 * with anchors one has. Settings: `anchors` asked for, `captions` the share of calls for captions.
 */
export function syncseScratch(options: RecipeOptions): Recipe {
  const read = settingReader('syncse-scratch', options.settings);
  const anchors = anchorStage(options, read);
  const write = pairWriter(options, read);
  return {
    name: 'syncse-scratch',
    input: 'none',
    settings: read.done(),
    before: [anchors],
    last: {
      name: 'write',
      async *units(rows) {
        yield* await distinctUnits(rows, 'text', options.nearDuplicates);
      },
      next: (unit, answers) => repeatedDrop(unit) ?? write(unit, answers),
    },
  };
}

function pairWriter(
  { templates }: RecipeOptions,
  read: SettingReader,
): (unit: Unit, answers: Answers) => Verdict<Example> {
  const take = (side: 'positive' | 'negative', writes: 'positive' | 'hardNegatives') => {
    const template = takeTemplate(templates, `syncse-${side}`, {
      inputs: ['sentence'],
      shape: 'texts',
      writes: [writes],
    });
    return withShots(template, read.integer('shots', 0, 1000, template.examples?.count ?? 0));
  };
  const positive = take('positive', 'positive');
  const negative = take('negative', 'hardNegatives');
  return (unit, answers) => {
    const inputs = { sentence: inputOf(unit, 'text') };
    const calls: readonly PlannedCall[] = [
      { name: 'positive', template: positive, inputs },
      { name: 'negative', template: negative, inputs },
    ];
    const missing = missingCalls(calls, answers);
    if (missing !== undefined) return missing;
    const both = calls.map(({ name }) => answerOf(answers, name));
    return exampleVerdict(
      unit,
      joinTexts(both),
      both.map(({ provenance }) => provenance),
    );
  };
}

function anchorStage(
  { templates }: RecipeOptions,
  read: SettingReader,
): RecipeStage<IntermediateRow> {
  const wanted = read.integer('anchors', 1, 100_000_000, 1000);
  const share = read.number('captions', 0, 1, 0.05);
  const taken = { inputs: [], shape: 'list' } as const;
  const prose = takeTemplate(templates, 'syncse-anchor', taken);
  const captions = takeTemplate(templates, 'syncse-anchor-captions', taken);
  return {
    name: 'anchors',
    async *units() {
      for (const { id, index } of countedUnits('anchors', Math.ceil(wanted / anchorsPerCall))) {
        yield { id, inputs: { kind: isOfShare(index, share) ? 'captions' : 'prose' } };
      }
    },
    next(unit, answers) {
      const template = inputOf(unit, 'kind') === 'captions' ? captions : prose;
      const call = { name: 'anchors', template, inputs: {}, madeUp: madeUpAnchors(unit.id) };
      const missing = missingCalls([call], answers);
      return missing ?? anchorRows(unit, answers);
    },
  };
}

/** A list of other sentences for each call: made-up ones that repeat would count as one. */
function madeUpAnchors(id: string): string {
  const lines = Array.from(
    { length: anchorsPerCall },
    (_, i) => `${i + 1}. Sentence ${i} of ${id}.`,
  );
  return lines.join('\n');
}

function anchorRows(unit: Unit, answers: Answers): Verdict<IntermediateRow> {
  const answer = answerOf(answers, 'anchors');
  const genre = answer.slots.get('genre');
  const rows: IntermediateRow[] = [];
  const drops: UnitDrop[] = answer.parsed.listDrops.map((drop) => ({ ...drop, call: 'anchors' }));
  for (const [index, text] of answer.parsed.list.entries()) {
    const words = wordCount(text);
    if (words > maxAnchorWords) {
      const detail = `expected at most ${maxAnchorWords} words in item ${index + 1}, received ${words}`;
      drops.push({ reason: 'tooLong', detail, call: 'anchors' });
    } else {
      const id = `${unit.id}-${String(index).padStart(2, '0')}`;
      const fields = {
        text,
        ...(genre === undefined ? {} : { genre }),
        ...provenanceField([answer]),
      };
      rows.push({ id, fields });
    }
  }
  return { kind: 'rows', rows, drops };
}

/** Words are what stands between white space. */
export function wordCount(text: string): number {
  return text.split(/\s+/u).filter((word) => word !== '').length;
}
