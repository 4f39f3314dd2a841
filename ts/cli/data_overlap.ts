import { fingerprintFile } from '../dataset/input.js';
import { expectRewritable, goodExamples, rewriteExamples } from '../dataset/rewrite.js';
import type { RewriteSummary } from '../dataset/rewrite.js';
import { createOverlapScanner } from '../evaluate/overlap.js';
import type { OverlapScanner } from '../evaluate/overlap.js';
import { loadOverlapSets } from '../evaluate/overlap_sets.js';
import { writeFileAtomic } from '../files/atomic.js';
import { expectFolderOf } from '../files/output_check.js';
import type { DataFlags } from './data_flags.js';
import { describeOverlap, describeRewrite } from './data_text.js';
import { readingOf } from './example_options.js';
import { exitCodes } from './exit_codes.js';
import { interruptSignal } from './interrupt.js';
import { printJson, printResult } from './print.js';

/** Compares the files with the STS sets, stores the report, and where asked the rows that are clean. */
export async function overlap(paths: readonly string[], flags: DataFlags): Promise<void> {
  const signal = interruptSignal();
  const inputs = { paths, reading: { ...readingOf(flags), signal }, strict: flags.strict };
  const exclude = flags.exclude === undefined ? undefined : { ...inputs, output: flags.exclude };
  if (exclude !== undefined) {
    await expectRewritable(exclude, flags.overwrite === true);
  }
  await expectFolderOf(flags.report);
  const { sets, missing } = await loadOverlapSets(flags.data, signal);
  const scanner = createOverlapScanner(sets, { threshold: flags.threshold });
  const files = await fingerprints(paths, signal);
  const { failed, excluded } = await scan(scanner, inputs, exclude);
  const report = { files, ...scanner.report(), missing, badRows: failed };
  await writeFileAtomic(flags.report, `${JSON.stringify(report, null, 2)}\n`);
  if (flags.json) {
    await printJson({ ...report, excluded }, 2);
  } else {
    await printResult(describeOverlap(report, flags.report));
    process.stderr.write(excluded === undefined ? '' : describeRewrite(excluded, {}));
  }
  const gate = flags.gate && report.overlapping > 0;
  process.exitCode = gate ? exitCodes.notMet : failed > 0 ? exitCodes.partial : exitCodes.done;
}

async function scan(
  scanner: OverlapScanner,
  inputs: Parameters<typeof goodExamples>[0],
  exclude: Parameters<typeof rewriteExamples>[0] | undefined,
): Promise<{ failed: number; excluded: RewriteSummary | undefined }> {
  if (exclude !== undefined) {
    const excluded = await rewriteExamples(
      exclude,
      (example) => scanner.check(example).length === 0,
    );
    return { failed: excluded.failed, excluded };
  }
  let failed = 0;
  for await (const example of goodExamples(inputs, () => void failed++)) {
    scanner.check(example);
  }
  return { failed, excluded: undefined };
}

async function fingerprints(
  paths: readonly string[],
  signal: AbortSignal,
): Promise<
  readonly ({ readonly name: string } & Partial<Awaited<ReturnType<typeof fingerprintFile>>>)[]
> {
  return Promise.all(
    paths.map(async (name) =>
      name === '-' ? { name: 'stdin' } : { name, ...(await fingerprintFile(name, signal)) },
    ),
  );
}
