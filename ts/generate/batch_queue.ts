import type { Pending } from './batch_collect.js';

/** What a server takes in one file. */
export const batchLimits = { rows: 50_000, bytes: 200_000_000 } as const;

export type BatchLimits = { readonly [name in keyof typeof batchLimits]: number };

/** The names of one upload stand in one journal record. */
const mostNameBytes = 8 * 1024 * 1024;

/** Requests of one file, ready to go. */
export interface FullFile {
  readonly lines: readonly Buffer[];
  readonly pending: Map<string, Pending>;
}

/** Requests that wait until a file of their model is full: a batch holds one model alone. */
export interface BatchQueue {
  add(pending: Pending, line: Buffer): void;
  /** Sends what is there, full or not. */
  flush(): void;
  /** Takes everything out. */
  drop(): readonly Pending[];
}

interface Filling extends FullFile {
  readonly lines: Buffer[];
  bytes: number;
  nameBytes: number;
}

export function createBatchQueue(limits: BatchLimits, send: (file: FullFile) => void): BatchQueue {
  const files = new Map<string, Filling>();
  const sendOff = (model: string): void => {
    const file = files.get(model);
    files.delete(model);
    if (file !== undefined) send(file);
  };
  return {
    add(pending, line) {
      const { model } = pending.request;
      const before = files.get(model);
      if (before !== undefined && !fits(before, line, pending.name, limits)) sendOff(model);
      const file: Filling = files.get(model) ?? {
        lines: [],
        pending: new Map(),
        bytes: 0,
        nameBytes: 0,
      };
      files.set(model, file);
      file.lines.push(line);
      file.pending.set(pending.name, pending);
      file.bytes += line.length;
      file.nameBytes += pending.name.length;
      if (file.lines.length >= limits.rows) sendOff(model);
    },
    flush() {
      for (const model of files.keys()) sendOff(model);
    },
    drop() {
      const all = [...files.values()].flatMap(({ pending }) => [...pending.values()]);
      files.clear();
      return all;
    },
  };
}

function fits(
  { lines, bytes, nameBytes }: Filling,
  line: Buffer,
  name: string,
  limits: BatchLimits,
): boolean {
  return (
    lines.length < limits.rows &&
    bytes + line.length <= limits.bytes &&
    nameBytes + name.length <= mostNameBytes
  );
}
