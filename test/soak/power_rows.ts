// Power-loss images (RELIABILITY 7, J3): what a disk may hold after the power went, whatever order
// its 512-byte sectors were written in. SIMGPT_POWER_LOSS_IMAGES sets the count of the long run.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { openJournal } from '#dist/files/journal.js';
import type { JournalFile, JournalRecord } from '#dist/files/journal.js';
import { memoryFile } from '../files/memory_file.js';
import type { SoakResult } from './soak_result.js';

const sector = 512;

/** A file after each of its operations: what was durable, and what was written and might not be. */
interface Moment {
  readonly durable: Buffer;
  readonly written: Buffer;
  /** Records whose append had resolved. */
  readonly acknowledged: number;
}

/** Notes the moment before every operation of a file. */
function watched(start: Uint8Array, acknowledged: () => number) {
  const moments: Moment[] = [];
  let noted = (): void => undefined;
  const file = memoryFile(start, { writeLimit: 3000, before: () => noted() });
  noted = () => {
    const moment = { durable: file.durable(), written: file.bytes(), acknowledged: acknowledged() };
    moments.push(moment);
  };
  return { file, moments, note: () => noted() };
}

/** Each sector is as it was durable or as it was written, zeros where it never was; any length. */
function imageOf({ durable, written }: Moment, draws: readonly boolean[], endDraw: number): Buffer {
  const longest = Math.max(durable.length, written.length);
  // A file that only grew keeps its durable length; one that was cut may be of either.
  const least = Math.min(durable.length, written.length);
  const sectors = Math.ceil((longest - least) / sector);
  const image = Buffer.alloc(Math.min(longest, least + (endDraw % (sectors + 1)) * sector));
  for (let at = 0, i = 0; at < image.length; at += sector) {
    const end = Math.min(image.length, at + sector);
    const [before, after] = [durable.subarray(at, end), written.subarray(at, end)];
    const isChanged = !before.equals(after);
    (isChanged && draws[i % draws.length] === false ? before : after).copy(image, at);
    if (isChanged) i += 1;
  }
  return image;
}

export async function writeGroups(
  path: string,
  openFile: () => Promise<JournalFile>,
  groups: readonly (readonly JournalRecord[])[],
  onAcknowledged: () => void,
  found: JournalRecord[],
): Promise<void> {
  const onRecord = (record: JournalRecord): void => void found.push(record);
  await using journal = await openJournal(path, { openFile, onRecord });
  for (const group of groups) {
    await Promise.all(group.map((record) => journal.append(record).then(onAcknowledged)));
  }
}

const scene = fc.record({
  groups: fc.array(fc.array(fc.nat(3000), { minLength: 1, maxLength: 6 }), {
    minLength: 1,
    maxLength: 5,
  }),
  moment: fc.nat(),
  again: fc.nat(),
  draws: fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }),
  end: fc.nat(60),
});

async function expectPrefix(
  path: string,
  image: Buffer,
  all: readonly JournalRecord[],
  least: number,
): Promise<{ readonly moments: readonly Moment[]; readonly found: readonly JournalRecord[] }> {
  const found: JournalRecord[] = [];
  const { file, moments, note } = watched(image, () => least);
  await writeGroups(
    path,
    async () => file,
    [[{ kind: 'after' }]],
    () => undefined,
    found,
  );
  note();
  assert.ok(found.length >= least, `${found.length} records, ${least} were acknowledged`);
  assert.deepEqual(found, all.slice(0, found.length));
  const again: JournalRecord[] = [];
  await writeGroups(
    path,
    async () => memoryFile(file.durable()),
    [],
    () => undefined,
    again,
  );
  assert.deepEqual(again, [...found, { kind: 'after' }]);
  return { moments, found };
}

/** Journals whose power went once while they were written, and once more while they were mended. */
export async function powerLoss(options: {
  readonly root: string;
  readonly seed: number;
  readonly count: number;
}): Promise<SoakResult> {
  const { root, seed, count: images } = options;
  await mkdir(root, { recursive: true });
  const path = join(root, 'journal');
  const failures: string[] = [];
  try {
    await fc.assert(
      fc.asyncProperty(scene, async ({ groups, moment, again, draws, end }) => {
        let count = 0;
        const records = groups.map((sizes) =>
          sizes.map((size) => ({ id: `${(count += 1)}`, text: 'x'.repeat(size) })),
        );
        let acknowledged = 0;
        const { file, moments } = watched(Buffer.alloc(0), () => acknowledged);
        await writeGroups(
          path,
          async () => file,
          records,
          () => void (acknowledged += 1),
          [],
        );
        const at = moments[moment % moments.length]!;
        const image = imageOf(at, draws, end);
        const all = records.flat();
        const { moments: repair, found } = await expectPrefix(path, image, all, at.acknowledged);
        // The power goes once more while the torn group is being cut and the next one written.
        const torn = imageOf(repair[again % repair.length]!, draws.toReversed(), end + 1);
        await expectPrefix(path, torn, [...found, { kind: 'after' }], at.acknowledged);
      }),
      { seed, numRuns: images },
    );
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error));
  }
  return { trials: 2 * images, failures, notes: {} };
}
