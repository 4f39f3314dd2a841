// A zip reader that trusts nothing: the central directory is checked whole before a byte is
// written, and a member is written only inside the target folder. Stored and deflated members and
// ZIP64 are read; encryption, links, devices and names that a path could leave the folder by are
// refused. Format: PKWARE APPNOTE 6.3.
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createInflateRaw } from 'node:zlib';

const maxDirectoryBytes = 256 * 1024 * 1024;
const maxNameBytes = 1024;
const chunkBytes = 1024 * 1024;

/**
 * @typedef {object} ZipEntry
 * @property {string} name
 * @property {string} [path]           where it goes below the target; its name unless the caller moves it
 * @property {boolean} folder
 * @property {number} method          0 stored, 8 deflated
 * @property {number} crc
 * @property {number} packedBytes
 * @property {number} bytes
 * @property {number} headerOffset
 */

/**
 * The members of a zip, all of them checked.
 * @param {import('node:fs/promises').FileHandle} file
 * @returns {Promise<ZipEntry[]>}
 */
export async function readZipDirectory(file) {
  const { size } = await file.stat();
  const { offset, bytes, count } = await findDirectory(file, size);
  const directory = await readExactly(file, offset, bytes);
  const entries = [];
  const names = new Set();
  let at = 0;
  for (let index = 0; index < count; index++) {
    const { entry, next } = parseEntry(directory, at, offset);
    const key = entry.name.replace(/\/$/, '').toLowerCase();
    if (names.has(key)) {
      throw new Error(`expected distinct member names, received '${printable(entry.name)}' twice`);
    }
    names.add(key);
    entries.push(entry);
    at = next;
  }
  if (at !== bytes) {
    throw new Error(`expected ${count} members in a directory of ${at} bytes, received ${bytes}`);
  }
  return entries;
}

/**
 * Writes one member below `target`. The file must not exist.
 * @param {import('node:fs/promises').FileHandle} file
 * @param {ZipEntry} entry
 * @param {string} target
 * @param {{ mode?: number, onBytes?: (bytes: number) => void }} [options]
 */
export async function extractMember(file, entry, target, options = {}) {
  const path = join(target, entry.path ?? entry.name);
  await mkdir(entry.folder ? path : dirname(path), { recursive: true });
  if (entry.folder) {
    return;
  }
  const start = await dataOffset(file, entry);
  const check = checked(entry, options.onBytes);
  const output = createWriteStream(path, { flags: 'wx', mode: options.mode ?? 0o644 });
  const source = Readable.from(chunks(file, start, entry.packedBytes));
  if (entry.method === 8) {
    const inflate = createInflateRaw({ chunkSize: chunkBytes });
    await pipeline(source, inflate, check, output);
    if (inflate.bytesWritten !== entry.packedBytes) {
      throw new Error(`expected '${entry.name}' to fill its place, received a shorter stream`);
    }
  } else {
    await pipeline(source, check, output);
  }
}

// The end record lies in the last 64 KiB; ZIP64's own record is named by a locator right before it.
async function findDirectory(file, size) {
  const tailBytes = Math.min(size, 22 + 0xffff);
  const tail = await readExactly(file, size - tailBytes, tailBytes);
  let end = tail.length - 22;
  while (end >= 0 && !isEndRecord(tail, end)) {
    end--;
  }
  if (end < 0) {
    throw new Error('expected a zip archive, received a file without an end record');
  }
  let count = tail.readUInt16LE(end + 10);
  let bytes = tail.readUInt32LE(end + 12);
  let offset = tail.readUInt32LE(end + 16);
  const endAt = size - tailBytes + end;
  let limit = endAt;
  if (count === 0xffff || bytes === 0xffffffff || offset === 0xffffffff) {
    const locator = await readExactly(file, endAt - 20, 20);
    expectSignature(locator, 0x07064b50, 'ZIP64 locator');
    const at = toNumber(locator.readBigUInt64LE(8));
    const record = await readExactly(file, at, 56);
    expectSignature(record, 0x06064b50, 'ZIP64 end record');
    count = toNumber(record.readBigUInt64LE(32));
    bytes = toNumber(record.readBigUInt64LE(40));
    offset = toNumber(record.readBigUInt64LE(48));
    limit = at;
  }
  if (bytes > maxDirectoryBytes || offset + bytes > limit || count * 46 > bytes) {
    throw new Error(
      `expected a directory inside the archive, received ${bytes} bytes at ${offset}`,
    );
  }
  return { offset, bytes, count };
}

function isEndRecord(tail, at) {
  return (
    tail.readUInt32LE(at) === 0x06054b50 && at + 22 + tail.readUInt16LE(at + 20) === tail.length
  );
}

function parseEntry(directory, at, directoryOffset) {
  if (at + 46 > directory.length) {
    throw new Error('expected another member, received the end of the directory');
  }
  expectSignature(directory.subarray(at), 0x02014b50, 'member header');
  const nameBytes = directory.readUInt16LE(at + 28);
  const extraBytes = directory.readUInt16LE(at + 30);
  const next = at + 46 + nameBytes + extraBytes + directory.readUInt16LE(at + 32);
  if (next > directory.length) {
    throw new Error('expected a member header inside the directory, received a longer one');
  }
  const name = checkName(directory.subarray(at + 46, at + 46 + nameBytes));
  const sizes = readSizes(directory, at, nameBytes, extraBytes);
  const entry = {
    name,
    folder: name.endsWith('/'),
    method: directory.readUInt16LE(at + 10),
    crc: directory.readUInt32LE(at + 16),
    ...sizes,
  };
  checkKind(entry, directory.readUInt16LE(at + 8), directory.readUInt32LE(at + 38));
  if (entry.headerOffset + 30 + entry.packedBytes > directoryOffset) {
    throw new Error(`expected '${name}' inside the archive, received one beyond its end`);
  }
  return { entry, next };
}

function readSizes(directory, at, nameBytes, extraBytes) {
  const sizes = {
    bytes: directory.readUInt32LE(at + 24),
    packedBytes: directory.readUInt32LE(at + 20),
    headerOffset: directory.readUInt32LE(at + 42),
  };
  let extra = at + 46 + nameBytes;
  const end = extra + extraBytes;
  while (extra + 4 <= end) {
    const id = directory.readUInt16LE(extra);
    const length = directory.readUInt16LE(extra + 2);
    let field = extra + 4;
    extra = field + length;
    if (id !== 0x0001 || extra > end) {
      continue;
    }
    for (const key of /** @type {const} */ (['bytes', 'packedBytes', 'headerOffset'])) {
      if (sizes[key] === 0xffffffff && field + 8 <= extra) {
        sizes[key] = toNumber(directory.readBigUInt64LE(field));
        field += 8;
      }
    }
  }
  return sizes;
}

function checkKind(entry, flags, attributes) {
  const type = (attributes >>> 28) & 0xf; // the high four bits of a Unix mode: 4 folder, 8 file
  const shown = `'${printable(entry.name)}'`;
  if ((flags & 0x2041) !== 0) {
    throw new Error(`expected a plain member, received ${shown}, which is encrypted`);
  }
  if (entry.method !== 0 && entry.method !== 8) {
    throw new Error(`expected ${shown} stored or deflated, received method ${entry.method}`);
  }
  if (type !== 0 && type !== (entry.folder ? 4 : 8)) {
    throw new Error(`expected files and folders only, received ${shown}, a link or device`);
  }
  if (entry.method === 0 && entry.bytes !== entry.packedBytes) {
    throw new Error(`expected ${shown} stored in its own size, received another`);
  }
  if (entry.folder && entry.bytes !== 0) {
    throw new Error(`expected the folder ${shown} to be empty, received ${entry.bytes} bytes`);
  }
}

/** Refuses what POSIX or Windows would read as a path out of the folder. */
function checkName(raw) {
  const name = new TextDecoder('utf-8').decode(raw);
  const parts = name.replace(/\/$/, '').split('/');
  const bad =
    raw.length > maxNameBytes ||
    // oxlint-disable-next-line no-control-regex -- control bytes are what this refuses
    /[\u0000-\u001f\u007f\\:\ufffd]/.test(name) ||
    parts.some((part) => part === '' || part === '.' || part === '..');
  if (bad) {
    throw new Error(`expected a relative member name, received '${printable(name)}'`);
  }
  return name;
}

async function dataOffset(file, entry) {
  const header = await readExactly(file, entry.headerOffset, 30);
  expectSignature(header, 0x04034b50, 'local header');
  const nameBytes = header.readUInt16LE(26);
  const name = await readExactly(file, entry.headerOffset + 30, nameBytes);
  if (name.toString('utf8') !== entry.name) {
    throw new Error(`expected '${printable(entry.name)}' in both headers, received another name`);
  }
  return entry.headerOffset + 30 + nameBytes + header.readUInt16LE(28);
}

function checked(entry, onBytes) {
  let crc = 0;
  let bytes = 0;
  const wrong = () =>
    new Error(`expected the bytes of '${entry.name}' as recorded, received others`);
  return new Transform({
    transform(chunk, _encoding, done) {
      crc = crc32(chunk, crc);
      bytes += chunk.length;
      onBytes?.(chunk.length);
      done(bytes > entry.bytes ? wrong() : null, chunk);
    },
    flush(done) {
      done(bytes === entry.bytes && crc === entry.crc ? null : wrong());
    },
  });
}

async function* chunks(file, start, length) {
  for (let done = 0; done < length;) {
    const chunk = await readExactly(file, start + done, Math.min(chunkBytes, length - done));
    done += chunk.length;
    yield chunk;
  }
}

async function readExactly(file, offset, bytes) {
  const buffer = Buffer.allocUnsafe(Math.max(0, bytes));
  const { bytesRead } = offset < 0 ? { bytesRead: -1 } : await file.read(buffer, 0, bytes, offset);
  if (bytesRead !== bytes) {
    throw new Error(`expected ${bytes} bytes at ${offset} of the archive, received its end`);
  }
  return buffer;
}

function expectSignature(buffer, signature, what) {
  if (buffer.length < 4 || buffer.readUInt32LE(0) !== signature) {
    throw new Error(`expected a ${what} in the archive, received something else`);
  }
}

function toNumber(value) {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new Error(`expected a size below 2^53, received ${value}`);
  }
  return Number(value);
}

function printable(name) {
  return JSON.stringify(name.slice(0, 200)).slice(1, -1);
}
