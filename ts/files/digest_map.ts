import { hash } from 'node:crypto';

import type { RecordPlace } from './journal.js';

/**
 * Where the records of a name stand in a file. It holds 28 bytes a record in typed arrays and no
 * name, so that millions of records do not grow the heap: names are told apart by 128 bits of their
 * sha256.
 */
export interface DigestMap {
  readonly size: number;
  /** The place of the name's record of that number, from 0. */
  readonly get: (name: string, number?: number) => RecordPlace | undefined;
  readonly has: (name: string) => boolean;
  /** `bytes` is at least 1. Replaces what stands under the same name and number. */
  readonly set: (name: string, number: number, place: RecordPlace) => void;
  /** Takes the name in; false where it was in already. */
  readonly add: (name: string) => boolean;
}

interface Table {
  /** Four words a slot. */
  readonly keys: Uint32Array;
  readonly positions: Float64Array;
  /** 0 marks a free slot. */
  readonly bytes: Uint32Array;
}

function emptyTable(slots: number): Table {
  return {
    keys: new Uint32Array(4 * slots),
    positions: new Float64Array(slots),
    bytes: new Uint32Array(slots),
  };
}

export function createDigestMap(): DigestMap {
  let table = emptyTable(1024);
  let size = 0;

  const put = (key: Uint32Array, { position, bytes }: RecordPlace): void => {
    const slot = slotOf(table, key);
    if (table.bytes[slot] === 0) size += 1;
    table.keys.set(key, 4 * slot);
    table.positions[slot] = position;
    table.bytes[slot] = bytes;
  };
  const grow = (): void => {
    const old = table;
    table = emptyTable(2 * old.bytes.length);
    size = 0;
    for (const [slot, bytes] of old.bytes.entries()) {
      if (bytes === 0) continue;
      put(old.keys.subarray(4 * slot, 4 * slot + 4), { position: old.positions[slot]!, bytes });
    }
  };
  const isTaken = (key: Uint32Array): boolean => table.bytes[slotOf(table, key)] !== 0;
  const insert = (key: Uint32Array, place: RecordPlace): void => {
    // Kept at most half full, or searches get long.
    if (2 * (size + 1) > table.bytes.length) grow();
    put(key, place);
  };
  return {
    get size() {
      return size;
    },
    get: (name, number = 0) => {
      const slot = slotOf(table, keyOf(name, number));
      const bytes = table.bytes[slot]!;
      return bytes === 0 ? undefined : { position: table.positions[slot]!, bytes };
    },
    set: (name, number, place) => insert(keyOf(name, number), place),
    has: (name) => isTaken(keyOf(name, 0)),
    add: (name) => {
      const key = keyOf(name, 0);
      if (isTaken(key)) return false;
      insert(key, { position: 0, bytes: 1 });
      return true;
    },
  };
}

function keyOf(name: string, number: number): Uint32Array {
  // As characters: a third of the time that making a buffer takes.
  const digest = hash('sha256', `${number} ${name}`, 'binary');
  const word = (at: number): number =>
    digest.charCodeAt(at) |
    (digest.charCodeAt(at + 1) << 8) |
    (digest.charCodeAt(at + 2) << 16) |
    (digest.charCodeAt(at + 3) << 24);
  return Uint32Array.of(word(0), word(4), word(8), word(12));
}

/** The slot of the key, or the free one where it would go. */
function slotOf({ keys, bytes }: Table, key: Uint32Array): number {
  const mask = bytes.length - 1;
  for (let slot = key[0]! & mask; ; slot = (slot + 1) & mask) {
    if (bytes[slot] === 0) return slot;
    const at = 4 * slot;
    if (
      keys[at] === key[0] &&
      keys[at + 1] === key[1] &&
      keys[at + 2] === key[2] &&
      keys[at + 3] === key[3]
    ) {
      return slot;
    }
  }
}
