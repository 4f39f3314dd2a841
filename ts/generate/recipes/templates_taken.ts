import { SimgptError } from '../../errors.js';
import { canonicalHash, withoutUndefined } from '../../files/canonical_json.js';
import type { Template } from '../template.js';

/** What a recipe counts on in a template, whoever wrote it. */
export interface Taken {
  /** The input slots that the recipe fills: these and no others. */
  readonly inputs: readonly string[];
  readonly shape: 'texts' | 'list' | 'number' | 'choice';
  /** Output fields that the recipe reads by name. */
  readonly fields?: readonly string[];
  /** The words it must choose among: these and no others. */
  readonly choices?: readonly string[];
  /** Which texts of an example it must write. */
  readonly writes?: readonly ('positive' | 'hardNegatives')[];
}

const shapes: Readonly<Record<Taken['shape'], readonly Template['output']['kind'][]>> = {
  texts: ['numberedLines', 'sentence', 'quotedSentence', 'jsonObject'],
  list: ['numberedList', 'stringList'],
  number: ['number'],
  choice: ['choice'],
};

/**
 * The template that a recipe works with, checked before anything is paid. Throws SimgptError
 * `fileInvalid` where a template of the user's cannot stand in for the shipped one.
 */
export function takeTemplate(
  templates: ReadonlyMap<string, Template>,
  id: string,
  taken: Taken,
): Template {
  const template = templates.get(id);
  if (template === undefined) {
    throw new SimgptError('fileInvalid', `expected a template with the id ${id}, found none`);
  }
  const { path, output, example } = template;
  const fail = (field: string, expected: string, received: string): never => {
    throw new SimgptError(
      'fileInvalid',
      `${path}: field ${field}: expected ${expected}, received ${received || 'nothing'}`,
    );
  };
  const inputs = Object.entries(template.slots)
    .filter(([, slot]) => slot.from === 'input')
    .map(([name]) => name);
  if (!sameNames(inputs, taken.inputs)) {
    fail('slots', `the input slots ${taken.inputs.join(', ') || 'none'}`, inputs.join(', '));
  }
  if (!shapes[taken.shape].includes(output.kind)) {
    fail('output.kind', shapes[taken.shape].join(' or '), output.kind);
  }
  const fields = 'fields' in output ? output.fields : 'field' in output ? [output.field] : [];
  const missing = taken.fields?.find((field) => !fields.includes(field));
  if (missing !== undefined) fail('output', `a field ${missing}`, fields.join(', '));
  const choices = output.kind === 'choice' ? output.choices : [];
  if (taken.choices !== undefined && !sameNames(choices, taken.choices)) {
    fail('output.choices', taken.choices.join(', '), choices.join(', '));
  }
  for (const text of taken.writes ?? []) {
    if (example?.[text] === undefined) fail('example', `a text for ${text}`, 'none');
  }
  return template;
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return [...a].sort().join(' ') === [...b].sort().join(' ');
}

/** The template with other values for one drawn slot, uniform; it gets a hash of its own. */
export function withSlotValues(
  template: Template,
  slot: string,
  values: readonly string[],
): Template {
  const before = template.slots[slot];
  if (before === undefined || before.from !== 'values') return template;
  const { weights: _weights, ...drawn } = before;
  return rehashed({
    ...template,
    slots: { ...template.slots, [slot]: { ...drawn, values: [...values] } },
  });
}

/** The template with another number of worked examples, at most those it has. */
export function withShots(template: Template, count: number): Template {
  const { examples } = template;
  if (examples === undefined || count === examples.count) return template;
  if (count > examples.rows.length) {
    throw new RangeError(
      `expected at most the ${examples.rows.length} worked examples of ${template.id}, ` +
        `received ${count}`,
    );
  }
  return rehashed({ ...template, examples: { ...examples, count } });
}

/** The template with its guidelines in an order drawn per call. */
export function withShuffledGuidelines(template: Template): Template {
  const { guidelines } = template;
  return guidelines === undefined || guidelines.order === 'shuffled'
    ? template
    : rehashed({ ...template, guidelines: { ...guidelines, order: 'shuffled' } });
}

function rehashed(template: Template): Template {
  const { path, hash: _hash, ...fields } = template;
  return { ...fields, path, hash: canonicalHash(withoutUndefined(fields)) };
}
