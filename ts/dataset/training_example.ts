import { basename } from 'node:path';
import { idProblem, textProblem, wellFormed } from './text.js';
import type { RowProblem } from './text.js';

/** One row of training data (METHODS 1.8). For unsupervised training anchor and positive are equal. */
export interface TrainingExample {
  /** Its id field, or the record's number from 1 where it has none. */
  readonly id: string;
  /** Where its record starts, from 1; in Parquet, which has no lines, the row's number. */
  readonly line: number;
  readonly anchor: string;
  readonly positive: string;
  readonly hardNegatives: readonly string[];
  /** Grade of (anchor, positive), on the scale of the file. */
  readonly positiveScore?: number | undefined;
  /** Grade of (anchor, hard negatives). */
  readonly negativeScore?: number | undefined;
  /** What the texts are compared for; models with instructions read it. */
  readonly instruction?: string | undefined;
  readonly task?: string | undefined;
  /** Examples of one group are no negatives of each other. */
  readonly group?: string | undefined;
  /** The data set it comes from: its source field, else the name given, else that of the file. */
  readonly source: string;
  /** JSON of where a generated text comes from; read only with `keepRecords`. */
  readonly provenance?: string | undefined;
  /** The record as the file has it, where that is a JSON line; read only with `keepRecords`. */
  readonly record?: string | undefined;
  /** True where half of a broken surrogate pair was replaced by U+FFFD in one of its texts. */
  readonly replaced: boolean;
  readonly problem?: undefined;
}

/** Which fields or columns hold what. What is left out goes by the usual names. */
export interface ExampleColumns {
  /** Usually `anchor` or `sent0`. */
  readonly anchor?: string | undefined;
  /** Usually `positive` or `sent1`. The anchor's own column makes the data unsupervised. */
  readonly positive?: string | undefined;
  /** Usually `hardNegatives`, `hard_neg`, `hard_neg_2` and so on; `[]` reads none. */
  readonly hardNegatives?: readonly string[] | undefined;
  readonly id?: string | undefined;
  readonly positiveScore?: string | undefined;
  readonly negativeScore?: string | undefined;
  readonly instruction?: string | undefined;
  readonly task?: string | undefined;
  readonly group?: string | undefined;
  readonly source?: string | undefined;
}

/** What a field or column can hold: the names of {@link ExampleColumns}, and of a written example. */
export const exampleRoles = [
  'anchor',
  'positive',
  'hardNegatives',
  'id',
  'positiveScore',
  'negativeScore',
  'instruction',
  'task',
  'group',
  'source',
] as const satisfies readonly (keyof ExampleColumns)[];

/** How the rows of a file become examples, whatever its form. */
export interface ExampleRules {
  readonly columns?: ExampleColumns | undefined;
  /** Where a row has no source field. Default: the file's name without its extension. */
  readonly sourceName?: string | undefined;
  /** Keep rows with a text that is empty or all white space, instead of reporting them (D24). */
  readonly keepEmpty?: boolean | undefined;
  /** Keep each record as it is written, so that it can be written again. */
  readonly keepRecords?: boolean | undefined;
}

type Role = keyof ExampleColumns;

const usualNames: ReadonlyMap<string, Role> = new Map<string, Role>([
  ['anchor', 'anchor'],
  ['sent0', 'anchor'],
  ['positive', 'positive'],
  ['sent1', 'positive'],
  ['hardNegatives', 'hardNegatives'],
  ['hardNegative', 'hardNegatives'],
  ['hard_neg', 'hardNegatives'],
  ['nli_hard', 'hardNegatives'],
  ...(
    ['id', 'positiveScore', 'negativeScore', 'instruction', 'task', 'group', 'source'] as const
  ).map((name): [string, Role] => [name, name]),
]);
const numberedNegative = /^hard_neg_\d{1,4}$/;

/** Which of a row's fields holds what. */
export interface FieldMap {
  readonly single: Readonly<Partial<Record<Exclude<Role, 'hardNegatives'>, string>>>;
  readonly hardNegatives: readonly string[];
}

/** What a row with these field names holds; a string says why that is not clear. */
export function mapFields(
  names: Iterable<string>,
  columns: ExampleColumns = {},
): FieldMap | string {
  const single: Partial<Record<Exclude<Role, 'hardNegatives'>, string>> = {};
  const { hardNegatives: chosen, ...others } = columns;
  for (const [role, name] of Object.entries(others) as [keyof typeof others, string?][]) {
    if (name !== undefined) {
      single[role] = name;
    }
  }
  const usual: string[] = [];
  for (const name of names) {
    const role = numberedNegative.test(name) ? 'hardNegatives' : usualNames.get(name);
    if (role === 'hardNegatives') {
      usual.push(name);
    } else if (role !== undefined && columns[role] === undefined) {
      const other = single[role];
      if (other !== undefined) {
        return `expected one field for ${role}, received ${other} and ${name}`;
      }
      single[role] = name;
    }
  }
  return { single, hardNegatives: chosen ?? usual };
}

/** One row, whatever its file's form. A value that is not there is undefined or null. */
export interface RowValues {
  readonly line: number;
  readonly value: (name: string) => unknown;
  /** An id or label as a string, with its digits where it is a number. */
  readonly label: (name: string) => string | null | undefined;
  readonly record?: string | undefined;
}

/** What a row's values mean, or the first thing wrong with them. */
export function toExample(
  row: RowValues,
  fields: FieldMap,
  rules: ExampleRules & { readonly number: string; readonly fallbackSource: string },
): TrainingExample | RowProblem {
  const read = createFieldReader(row, fields, rules);
  const anchor = fields.single.anchor ?? 'anchor';
  const positive = fields.single.positive ?? 'positive';
  const example = {
    id: read.label('id') ?? rules.number,
    line: row.line,
    anchor: read.text(anchor, row.value(anchor)),
    positive: read.text(positive, row.value(positive)),
    hardNegatives: fields.hardNegatives.flatMap((name) => read.texts(name, row.value(name))),
    ...present('positiveScore', read.score('positiveScore')),
    ...present('negativeScore', read.score('negativeScore')),
    ...present('instruction', read.instruction()),
    ...present('task', read.label('task')),
    ...present('group', read.label('group')),
    source: read.label('source') ?? rules.fallbackSource,
    ...present('provenance', rules.keepRecords ? provenanceOf(row) : undefined),
    ...present('record', rules.keepRecords ? row.record : undefined),
  };
  return read.problem() ?? { ...example, replaced: read.replaced() };
}

/** Reads one row's fields; remembers the first problem and goes on. */
interface FieldReader {
  readonly text: (field: string, value: unknown) => string;
  readonly texts: (field: string, value: unknown) => readonly string[];
  readonly label: (role: 'id' | 'group' | 'task' | 'source') => string | undefined;
  readonly score: (role: 'positiveScore' | 'negativeScore') => number | undefined;
  readonly instruction: () => string | undefined;
  readonly problem: () => RowProblem | undefined;
  readonly replaced: () => boolean;
}

function createFieldReader(row: RowValues, fields: FieldMap, rules: ExampleRules): FieldReader {
  let first: RowProblem | undefined;
  let replaced = false;
  const report = (field: string, problem: string): undefined => {
    first ??= { line: row.line, field, problem };
  };
  const text = (field: string, value: unknown): string => {
    const problem = whyNoText(value, rules.keepEmpty === true);
    if (problem !== null) {
      report(field, problem);
      return '';
    }
    const formed = wellFormed(value as string);
    replaced ||= formed.replaced;
    return formed.text;
  };
  const texts = (field: string, value: unknown): readonly string[] => {
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return value === undefined || value === null ? [] : list.map((item) => text(field, item));
  };
  const label: FieldReader['label'] = (role) => {
    const name = fields.single[role];
    const value = name === undefined ? null : row.label(name);
    if (name === undefined || value === null || value === '') {
      return role === 'id' && rules.columns?.id !== undefined
        ? report(rules.columns.id, 'expected a string or a number, received nothing')
        : undefined;
    }
    const problem =
      value === undefined
        ? `expected a string or a number, received ${describe(row.value(name))}`
        : idProblem(value, role === 'id' ? 'an id' : `a ${role}`);
    return problem === null ? wellFormed(value!).text : report(name, problem);
  };
  const optional = (role: keyof FieldMap['single']): readonly [name: string, value: unknown] => {
    const name = fields.single[role] ?? role;
    return [name, fields.single[role] === undefined ? undefined : row.value(name)];
  };
  const score: FieldReader['score'] = (role) => {
    const [name, value] = optional(role);
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (isAbsent(value)) {
      return undefined;
    }
    return typeof number === 'number' && Number.isFinite(number)
      ? number
      : report(name, `expected a finite number, received ${describe(value)}`);
  };
  const instruction = (): string | undefined => {
    const [name, value] = optional('instruction');
    return isAbsent(value) ? undefined : text(name, value);
  };
  return { text, texts, label, score, instruction, problem: () => first, replaced: () => replaced };
}

function provenanceOf(row: RowValues): string | undefined {
  const value = row.value('provenance');
  return isAbsent(value) ? undefined : typeof value === 'string' ? value : JSON.stringify(value);
}

function present<Name extends string, T>(
  name: Name,
  value: T | undefined,
): { readonly [key in Name]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [key in Name]?: T };
}

// An empty cell is how a file in columns leaves an optional value out.
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === '';
}

function whyNoText(value: unknown, keepEmpty: boolean): string | null {
  if (typeof value !== 'string') {
    return `expected a string, received ${describe(value)}`;
  }
  return !keepEmpty && value.trim() === ''
    ? 'expected a text, received an empty one'
    : textProblem(value);
}

function describe(value: unknown): string {
  if (value === undefined || value === null) {
    return value === null ? 'null' : 'nothing';
  }
  if (Array.isArray(value)) {
    return 'a list';
  }
  const kinds: Readonly<Record<string, string>> = { object: 'an object', string: 'a string' };
  return kinds[typeof value] ?? `a ${typeof value}`;
}

/** A data set's name from its path: `nli` of `data/nli.jsonl.gz`. */
export function sourceOfPath(path: string): string {
  const name = basename(path).replace(/(?<=.)\.gz$/i, '');
  return name.replace(/(?<=.)\.[^.]*$/, '') || name;
}
