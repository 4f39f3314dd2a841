import type { JournalFile } from '#dist/files/journal.js';

/** A file in memory that knows what a power cut would leave; `before` may throw in any call. */
export interface MemoryFile extends JournalFile {
  /** What was written. */
  readonly bytes: () => Buffer;
  /** What the last datasync made durable. */
  readonly durable: () => Buffer;
  readonly syncs: () => number;
}

type Call = 'read' | 'write' | 'datasync' | 'truncate' | 'close';

interface MemoryFileOptions {
  readonly before?: (call: Call) => void;
  /** At most so many bytes by one write. */
  readonly writeLimit?: number;
}

export function memoryFile(start: Uint8Array, options: MemoryFileOptions = {}): MemoryFile {
  const { before = () => {}, writeLimit = Number.POSITIVE_INFINITY } = options;
  let content = Buffer.from(start);
  let durable = content;
  let syncs = 0;
  const guarded = async <Result>(call: Call, work: () => Result): Promise<Result> => {
    before(call);
    return work();
  };
  return {
    bytes: () => content,
    durable: () => durable,
    syncs: () => syncs,
    read: (into, offset, length, position) =>
      guarded('read', () => {
        const part = content.subarray(position, position + length);
        into.set(part, offset);
        return { bytesRead: part.length };
      }),
    write: (data, offset, length, position) =>
      guarded('write', () => {
        const part = data.subarray(offset, offset + Math.min(length, writeLimit));
        content = Buffer.concat([content.subarray(0, position), part]);
        return { bytesWritten: part.length };
      }),
    datasync: () =>
      guarded('datasync', () => {
        durable = content;
        syncs += 1;
      }),
    truncate: (bytes) =>
      guarded('truncate', () => {
        content = content.subarray(0, bytes);
      }),
    close: () => guarded('close', () => {}),
  };
}
