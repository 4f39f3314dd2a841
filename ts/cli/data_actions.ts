import { join } from 'node:path';
import type { WrittenFormat } from '../dataset/example_writers.js';
import { createDedup } from '../dataset/dedup.js';
import { capShares, sharesOf } from '../diversity/shares.js';
import { expectRewritable, goodExamples, rewriteExamples } from '../dataset/rewrite.js';
import type { ExampleInputs, RewriteOptions, RewriteSummary } from '../dataset/rewrite.js';
import { exampleFormatOfName } from '../dataset/example_formats.js';
import { statInput } from '../dataset/input.js';
import { revokes } from '../dataset/revoke.js';
import { createTextComponents, sampleRows, splitRows } from '../dataset/split.js';
import type { TrainingExample } from '../dataset/training_example.js';
import { SimgptError } from '../errors.js';
import { makeFolder } from '../files/folder.js';
import type { BadRow } from '../files/quarantine.js';
import type { DataAction, DataFlags } from './data_flags.js';
import { groupsOf, leadersByMeaning } from './data_groups.js';
import type { PairTexts } from './data_groups.js';
import { overlap } from './data_overlap.js';
import { describeRewrite, describeStats } from './data_text.js';
import { readingOf } from './example_options.js';
import { exitCodes } from './exit_codes.js';
import { interruptSignal } from './interrupt.js';
import { printJson, printResult } from './print.js';

/** One function a subcommand: the files, the flags. */
export const dataActions: Readonly<
  Record<DataAction, (paths: readonly string[], flags: DataFlags) => Promise<void>>
> = { stats, dedup, overlap, sample, split, revoke, cap, convert };

async function stats(paths: readonly string[], flags: DataFlags): Promise<void> {
  const { createStats } = await import('../dataset/stats.js');
  const bad: BadRow[] = [];
  const counted = createStats({ near: flags.near });
  for await (const example of goodExamples(inputsOf(paths, flags), (row) => void bad.push(row))) {
    counted.add(example);
  }
  const found = counted.report();
  await (flags.json
    ? printJson({ files: paths, ...found, badRows: bad.length, firstBadRows: bad.slice(0, 20) }, 2)
    : printResult(describeStats(found, bad)));
  process.exitCode = bad.length > 0 ? exitCodes.partial : exitCodes.done;
}

async function dedup([path]: readonly string[], flags: DataFlags): Promise<void> {
  const { threshold, by: near, model } = flags;
  const duplicates = createDedup(flags.near ? { threshold, near } : {});
  const dropped = { exact: 0, near: 0, meaning: 0 };
  const repeats = (example: TrainingExample): boolean => {
    const kind = duplicates.check(example);
    if (kind !== null) dropped[kind]++;
    return kind !== null;
  };
  if (model === undefined) {
    const summary = await rewrite(path!, flags, (example) => !repeats(example));
    await tell(summary, flags, { duplicates: dropped, capped: duplicates.capped() });
    return;
  }
  const same = await twice(path!);
  await expectRewritable(rewriteOptions(path!, flags), flags.overwrite === true);
  // By their words first: a text that is there twice is embedded once.
  const left: PairTexts[] = [];
  const places: number[] = [];
  for await (const example of goodExamples(inputsOf([path!], flags), () => {})) {
    places.push(repeats(example) ? -1 : left.length);
    if (places.at(-1) !== -1) left.push({ anchor: example.anchor, positive: example.positive });
  }
  const leaders = await leadersByMeaning(left, { by: near, cosine: flags.cosine, model });
  const summary = await rewrite(path!, flags, (_, index) => {
    const place = places[index]!;
    return place !== -1 && leaders[place] === place;
  });
  await same();
  dropped.meaning = leaders.reduce((sum, leader, row) => sum + (leader === row ? 0 : 1), 0);
  await tell(summary, flags, { duplicates: dropped, capped: duplicates.capped() });
}

async function sample([path]: readonly string[], flags: DataFlags): Promise<void> {
  const same = await twice(path!);
  await expectRewritable(rewriteOptions(path!, flags), flags.overwrite === true);
  let rows = 0;
  for await (const _ of goodExamples(inputsOf([path!], flags), () => {})) {
    rows++;
  }
  if (flags.count > rows) {
    throw new RangeError(`expected --count to be at most ${rows}, received ${flags.count}`);
  }
  const drawn = sampleRows(rows, flags.count, flags.seed);
  const summary = await rewrite(path!, flags, (_, index) => drawn[index] === 1);
  await same();
  await tell(summary, flags, { seed: flags.seed });
}

async function split([path]: readonly string[], flags: DataFlags): Promise<void> {
  const same = await twice(path!);
  const format = flags.outputFormat ?? sameFormat(path!, flags);
  const options = flags.parts.map(({ name }, index) => ({
    ...rewriteOptions(path!, flags),
    output: join(flags.output, `${name}.${format}`),
    // Bad rows are in no part; one pass is enough to name them.
    quarantine: index === 0 ? (flags.quarantine ?? join(flags.output, 'quarantine.jsonl')) : null,
  }));
  await makeFolder(flags.output).catch((error: unknown) => {
    throw new SimgptError('ioFailed', `could not make the folder ${flags.output}`, {
      cause: error,
    });
  });
  for (const option of options) {
    await expectRewritable(option, flags.overwrite === true);
  }
  const components = createTextComponents();
  for await (const example of goodExamples(inputsOf([path!], flags), () => {})) {
    components.add(example);
  }
  const partOf = splitRows(components.roots(), flags.parts, flags.seed);
  const summaries: RewriteSummary[] = [];
  for (const [part, option] of options.entries()) {
    summaries.push(await rewriteExamples(option, (_, index) => partOf[index] === part));
  }
  await same();
  if (flags.json) {
    await printJson({ seed: flags.seed, parts: summaries });
  } else {
    process.stderr.write(summaries.map((summary) => describeRewrite(summary, {})).join(''));
  }
  process.exitCode = summaries[0]!.failed > 0 ? exitCodes.partial : exitCodes.done;
}

/** The form of the input where rows can be written in it, else jsonl. */
function sameFormat(path: string, { inputFormat }: DataFlags): WrittenFormat {
  const format = inputFormat ?? exampleFormatOfName(path);
  return format === 'csv' || format === 'parquet' ? format : 'jsonl';
}

async function revoke([path]: readonly string[], flags: DataFlags): Promise<void> {
  const { source: sources = [], sourceId: sourceIds = [] } = flags;
  if (sources.length + sourceIds.length === 0) {
    throw new RangeError('expected --source or --source-id, received neither');
  }
  const isRevoked = revokes({ sources, sourceIds });
  await expectRewritable(rewriteOptions(path!, flags), flags.overwrite === true);
  if (!(await hasRow(path!, flags, isRevoked))) {
    const names = [...sources, ...sourceIds].map((name) => JSON.stringify(name)).join(', ');
    throw new SimgptError('dataInvalid', `expected rows that come from ${names}, found none`);
  }
  const summary = await rewrite(path!, flags, (example) => !isRevoked(example));
  await tell(summary, flags, { revoked: summary.dropped });
}

// A name misspelt must not pass for a source that is gone.
async function hasRow(
  path: string,
  flags: DataFlags,
  test: (example: TrainingExample) => boolean,
): Promise<boolean> {
  const inputs = inputsOf([path], flags);
  const reading = { ...inputs.reading, keepRecords: true };
  for await (const example of goodExamples({ ...inputs, reading }, () => {})) {
    if (test(example)) {
      return true;
    }
  }
  return false;
}

async function cap([path]: readonly string[], flags: DataFlags): Promise<void> {
  const same = await twice(path!);
  await expectRewritable(rewriteOptions(path!, flags), flags.overwrite === true);
  const rows: { readonly anchor: string; readonly source: string }[] = [];
  for await (const { anchor, source } of goodExamples(inputsOf([path!], flags), () => {})) {
    rows.push({ anchor, source });
  }
  const groups = await groupsOf(rows, flags);
  const kept = capShares(groups, flags.maxShare);
  const summary = await rewrite(path!, flags, (_, index) => kept[index] === 1);
  await same();
  const [largest] = sharesOf(groups.filter((_, index) => kept[index] === 1));
  await tell(summary, flags, { groups: new Set(groups).size, largestShare: largest?.share ?? 0 });
}

async function convert([path]: readonly string[], flags: DataFlags): Promise<void> {
  const csvFor = flags.spreadsheet ? ('spreadsheet' as const) : undefined;
  const options = { ...rewriteOptions(path!, flags), csvFor, rewritten: true };
  await expectRewritable(options, flags.overwrite === true);
  const summary = await rewriteExamples(options, () => true);
  const neutral = flags.spreadsheet ? { neutralised: summary.formulas } : {};
  await tell(summary, flags, neutral);
}

async function rewrite(
  path: string,
  flags: DataFlags,
  keep: (example: TrainingExample, index: number) => boolean,
): Promise<RewriteSummary> {
  const options = rewriteOptions(path, flags);
  await expectRewritable(options, flags.overwrite === true);
  return rewriteExamples(options, keep);
}

function rewriteOptions(path: string, flags: DataFlags): RewriteOptions {
  const { output, outputFormat, quarantine } = flags;
  return { ...inputsOf([path], flags), output, outputFormat, quarantine };
}

function inputsOf(paths: readonly string[], flags: DataFlags): ExampleInputs {
  return {
    paths,
    reading: { ...readingOf(flags), signal: interruptSignal() },
    strict: flags.strict,
  };
}

/** For a file that is read more than once: the check that it stayed as it was. */
async function twice(path: string): Promise<() => Promise<void>> {
  if (path === '-') {
    throw new RangeError('expected a file that can be read twice, received stdin');
  }
  const state = async (): Promise<string> => {
    const { ino, size, mtimeMs } = await statInput(path);
    return [ino, size, mtimeMs].join(' ');
  };
  const before = await state();
  return async () => {
    if ((await state()) !== before) {
      throw new SimgptError('dataInvalid', `expected ${path} to stay as it is while it is read`);
    }
  };
}

async function tell(
  summary: RewriteSummary,
  flags: DataFlags,
  more: Readonly<Record<string, unknown>>,
): Promise<void> {
  if (flags.json) {
    await printJson({ ...summary, ...more });
  } else {
    process.stderr.write(describeRewrite(summary, more));
  }
  process.exitCode = summary.failed > 0 ? exitCodes.partial : exitCodes.done;
}
