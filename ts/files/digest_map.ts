// Tables of names that hold no name: names are told apart by 96 bits of their sha256, in typed arrays,
// so that millions of them do not grow the heap. Of ten million names the chance that any two are
// taken for one is below 1e-15.
import { hash } from 'node:crypto';

import type { RecordPlace } from './journal.js';

/** Names, at 16 to 24 bytes each. */
export interface DigestSet {
  readonly size: number;
  readonly has: (name: string) => boolean;
  /** Takes the name in; false where it was in already. */
  readonly add: (name: string) => boolean;
}

/** Where the records of a name stand in a file, at 32 to 48 bytes a record. */
export interface DigestMap {
  readonly size: number;
  /** The place of the name's record of that number, from 0. */
  readonly get: (name: string, number?: number) => RecordPlace | undefined;
  /** Replaces what stands under the same name and number. */
  readonly set: (name: string, number: number, place: RecordPlace) => void;
}

export function createDigestSet(): DigestSet {
  const table = createTable();
  return {
    get size() {
      return table.size;
    },
    has: (name) => table.find(keyOf(name)) !== undefined,
    add: (name) => {
      const { size } = table;
      table.put(keyOf(name));
      return table.size > size;
    },
  };
}

export function createDigestMap(): DigestMap {
  let positions = new Float64Array();
  let bytes = new Uint32Array();
  const table = createTable((slots) => {
    const [oldPositions, oldBytes] = [positions, bytes];
    positions = new Float64Array(slots);
    bytes = new Uint32Array(slots);
    return (from, to) => {
      positions[to] = oldPositions[from]!;
      bytes[to] = oldBytes[from]!;
    };
  });
  return {
    get size() {
      return table.size;
    },
    get: (name, number = 0) => {
      const slot = table.find(keyOf(name, number));
      return slot === undefined ? undefined : { position: positions[slot]!, bytes: bytes[slot]! };
    },
    set: (name, number, place) => {
      const slot = table.put(keyOf(name, number));
      positions[slot] = place.position;
      bytes[slot] = place.bytes;
    },
  };
}

type Key = readonly [number, number, number];

/** Words that are never all 0: that marks a free slot. */
function keyOf(name: string, number: number = 0): Key {
  // As characters: a third of the time that making a buffer takes.
  const digest = hash('sha256', `${number} ${name}`, 'binary');
  const word = (at: number): number =>
    (digest.charCodeAt(at) |
      (digest.charCodeAt(at + 1) << 8) |
      (digest.charCodeAt(at + 2) << 16) |
      (digest.charCodeAt(at + 3) << 24)) >>>
    0;
  return [word(0), word(4), word(8) || 1];
}

interface Table {
  readonly size: number;
  readonly find: (key: Key) => number | undefined;
  /** The slot of the key, taken in where it was not there. */
  readonly put: (key: Key) => number;
}

/** Makes room for so many slots; what it returns is told where each key's slot goes. */
type Resize = (slots: number) => (from: number, to: number) => void;

/** Open addressing, half to three quarters full. */
function createTable(resize: Resize = () => () => {}): Table {
  let slots = 0;
  let keys = new Uint32Array();
  let size = 0;

  /** The slot of the key, or the free one where it would go. */
  const slotOf = ([a, b, c]: Key): number => {
    for (let slot = Math.floor((a / 2 ** 32) * slots); ; slot = slot + 1 === slots ? 0 : slot + 1) {
      const at = 3 * slot;
      if (keys[at + 2] === 0) return slot;
      if (keys[at] === a && keys[at + 1] === b && keys[at + 2] === c) return slot;
    }
  };
  const write = (slot: number, [a, b, c]: Key): void => {
    keys[3 * slot] = a;
    keys[3 * slot + 1] = b;
    keys[3 * slot + 2] = c;
  };
  const grow = (): void => {
    const old = keys;
    slots = Math.max(1024, Math.ceil(1.5 * slots));
    keys = new Uint32Array(3 * slots);
    const moved = resize(slots);
    for (let at = 0; at < old.length; at += 3) {
      const key: Key = [old[at]!, old[at + 1]!, old[at + 2]!];
      if (key[2] === 0) continue;
      const slot = slotOf(key);
      write(slot, key);
      moved(at / 3, slot);
    }
  };
  return {
    get size() {
      return size;
    },
    find: (key) => {
      if (slots === 0) return undefined;
      const slot = slotOf(key);
      return keys[3 * slot + 2] === 0 ? undefined : slot;
    },
    put: (key) => {
      if (4 * (size + 1) > 3 * slots) grow();
      const slot = slotOf(key);
      if (keys[3 * slot + 2] === 0) {
        write(slot, key);
        size += 1;
      }
      return slot;
    },
  };
}
