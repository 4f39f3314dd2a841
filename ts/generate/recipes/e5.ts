import type { Example } from '../example.js';
import type { IntermediateRow, Recipe, Unit, UnitDrop, Verdict } from '../recipe.js';
import { distinctUnits, repeatedDrop } from './distinct.js';
import { e5GroupNames, e5Groups } from './e5_groups.js';
import type { E5Group } from './e5_groups.js';
import type { RecipeOptions } from './options.js';
import {
  answerOf,
  exampleVerdict,
  inputOf,
  joinTexts,
  missingCalls,
  provenanceField,
} from './rows.js';
import type { Answers, RowFields } from './rows.js';
import { settingReader } from './settings.js';
import { apportion, countedUnits } from './unit_counts.js';

/** Tasks that one brainstorm call is asked for. */
const tasksPerCall = 20;

/** Rows this near by their 5-grams are one (METHODS 11.5); the paper keeps them. */
const nearRows = 0.8;

/** A longer task is no one-sentence definition. */
const maxTaskLength = 1000;

/**
 * E5's synthetic data: tasks are brainstormed and kept as a bank without repetitions, then each
 * example is written in a conversation of its own; STS and bitext need no task (METHODS 9).
 *
 * Settings: `examples` in all, split over `groups` in the published proportion; `examplesPerTask`;
 * `slotWeights` `uniform` or `skewed` and `shuffleGuidelines` (D31); `languages`, else the templates'
 * own; `filters` `default`, or `released` for what the paper filters by alone: form and exact repeats.
 */
export function e5({ templates, settings, nearDuplicates }: RecipeOptions): Recipe {
  const read = settingReader('e5', settings);
  const names = read.names('groups', e5GroupNames);
  const languages = read.texts('languages');
  const shuffles = read.choice('shuffleGuidelines', ['off', 'on'], 'off') === 'on';
  const groups = e5Groups(templates, names, { languages, shuffles });
  const total = read.integer('examples', 1, 100_000_000, 1000);
  const perTask = read.integer('examplesPerTask', 1, 100_000, 3);
  const slotWeights = read.choice('slotWeights', ['uniform', 'skewed'], 'uniform');
  const released = read.choice('filters', ['default', 'released'], 'default') === 'released';
  const counts = apportion(
    total,
    groups.map(({ share }) => share),
  );
  const calls = counts.map((count) => Math.ceil(count / perTask / tasksPerCall));
  return {
    name: 'e5',
    input: 'none',
    settings: read.done(),
    ...(slotWeights === 'uniform' ? {} : { slotWeights }),
    filters: released ? { refusals: false } : { nearDuplicates: nearRows },
    before: [
      {
        name: 'brainstorm',
        async *units() {
          for (const [at, { name, brainstorm }] of groups.entries()) {
            if (brainstorm === undefined) continue;
            for (const { id } of countedUnits(name, calls[at]!))
              yield { id, inputs: { group: name } };
          }
        },
        next: (unit, answers) => brainstormed(groupOf(groups, unit), unit, answers),
      },
    ],
    last: {
      name: 'write',
      async *units(rows) {
        const bank = await taskBank(rows, released ? undefined : nearDuplicates);
        const [repeated, tasks] = [true, false].map((wanted) =>
          bank.filter((task) => (repeatedDrop(task) !== undefined) === wanted),
        );
        for (const [at, group] of groups.entries()) {
          const own = tasks!.filter(({ inputs }) => inputs['group'] === group.name);
          yield* unitsOf(group, counts[at]!, own);
        }
        yield* repeated!;
      },
      next: (unit, answers) => repeatedDrop(unit) ?? written(groupOf(groups, unit), unit, answers),
    },
  };
}

function groupOf(groups: readonly E5Group[], unit: Unit): E5Group {
  const name = inputOf(unit, 'group');
  const found = groups.find((group) => group.name === name);
  if (found === undefined) throw new RangeError(`expected a group of this run, received ${name}`);
  return found;
}

function brainstormed(group: E5Group, unit: Unit, answers: Answers): Verdict<IntermediateRow> {
  const call = { name: 'brainstorm', template: group.brainstorm!, inputs: {} };
  const missing = missingCalls([call], answers);
  if (missing !== undefined) return missing;
  const answer = answerOf(answers, 'brainstorm');
  const rows: IntermediateRow[] = [];
  const drops: UnitDrop[] = answer.parsed.listDrops.map((drop) => ({ ...drop, call: call.name }));
  for (const [index, task] of answer.parsed.list.entries()) {
    if (task.length > maxTaskLength) {
      const detail = `expected a task of at most ${maxTaskLength} characters, received ${task.length}`;
      drops.push({ reason: 'tooLong', detail, call: call.name });
    } else {
      const id = `${unit.id}-${String(index).padStart(2, '0')}`;
      const fields = { group: group.name, task: oneLine(task), ...provenanceField([answer]) };
      rows.push({ id, fields });
    }
  }
  return { kind: 'rows', rows, drops };
}

function oneLine(text: string): string {
  return text.replace(/\s+/gu, ' ').trim();
}

/** The tasks of each group, those that repeat another of their group marked. */
async function taskBank(
  rows: AsyncIterable<IntermediateRow>,
  nearDuplicates: RecipeOptions['nearDuplicates'],
): Promise<readonly Unit[]> {
  const byGroup = new Map<string, IntermediateRow[]>();
  for await (const row of rows) {
    const group = row.fields['group'] ?? '';
    const tasks = byGroup.get(group);
    if (tasks === undefined) byGroup.set(group, [row]);
    else tasks.push(row);
  }
  const bank: Unit[] = [];
  for (const tasks of byGroup.values()) {
    bank.push(...(await distinctUnits(tasks, 'task', nearDuplicates)));
  }
  return bank;
}

/** As many units as the group is to have, its tasks taken in turn; none where no task is left. */
function* unitsOf(group: E5Group, count: number, tasks: readonly Unit[]): Generator<Unit> {
  if (group.brainstorm !== undefined && tasks.length === 0) return;
  for (const { id, index } of countedUnits(`write-${group.name}`, count)) {
    const task = tasks[index % Math.max(tasks.length, 1)];
    const { task: text, provenance } = task?.inputs ?? {};
    yield {
      id,
      source: `e5-${group.name}`,
      inputs: {
        group: group.name,
        ...(task === undefined ? {} : { task: text!, provenance: provenance! }),
      },
    };
  }
}

function written(group: E5Group, unit: Unit, answers: Answers): Verdict<Example> {
  const { task } = unit.inputs;
  const inputs: Record<string, string> = task === undefined ? {} : { task };
  const missing = missingCalls([{ name: 'write', template: group.write, inputs }], answers);
  if (missing !== undefined) return missing;
  const answer = answerOf(answers, 'write');
  const instruction = task ?? group.write.instruction;
  return exampleVerdict(unit, joinTexts([answer]), [answer.provenance], {
    task: group.name,
    ...(instruction === undefined ? {} : { instruction }),
    ...scoresOf(answer.slots),
  });
}

/** The grades that the two pairs were asked to earn, where the template has such slots. */
function scoresOf(slots: ReadonlyMap<string, string>): RowFields {
  const high = Number(slots.get('high_score') ?? NaN);
  const low = Number(slots.get('low_score') ?? NaN);
  return Number.isFinite(high) && Number.isFinite(low)
    ? { positiveScore: high, negativeScore: low }
    : {};
}
