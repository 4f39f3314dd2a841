// A pinned archive becomes a folder: the size, then the sha256, then the names, then the bytes.
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { extractMember, readZipDirectory } from './zip.mjs';

const chunkBytes = 4 * 1024 * 1024;

/**
 * Unpacks the wanted members of an archive below `target`, which must be a fresh folder of ours.
 * Throws before it writes anything unless size and sha256 are the pinned ones and every member name
 * is safe. One open file is hashed and then read, so it cannot be exchanged in between.
 * @param {string} path
 * @param {{ file: string, size?: number, sha256: string, wanted: (name: string) => boolean }} pin
 * @param {string} target
 * @param {{ rename?: (name: string) => string, executable?: (name: string) => boolean,
 *           onBytes?: (bytes: number) => void }} [options]
 * @returns {Promise<{ files: number, bytes: number }>}
 */
export async function unpackPinned(path, pin, target, options = {}) {
  const file = await open(path, 'r');
  try {
    await verifyOpen(file, pin);
    const wanted = (await readZipDirectory(file)).filter((entry) => pin.wanted(entry.name));
    if (wanted.length === 0) {
      throw new Error(`expected the members of ${pin.file}, received an archive without them`);
    }
    let bytes = 0;
    for (const entry of wanted) {
      const moved = options.rename ? { ...entry, path: options.rename(entry.name) } : entry;
      await extractMember(file, moved, target, {
        mode: options.executable?.(entry.name) ? 0o755 : 0o644,
        ...(options.onBytes ? { onBytes: options.onBytes } : {}),
      });
      bytes += entry.bytes;
    }
    return { files: wanted.length, bytes };
  } finally {
    await file.close();
  }
}

/** Whether a file is the pinned one; a missing file is not. */
export async function isPinned(path, pin) {
  let file;
  try {
    file = await open(path, 'r');
    await verifyOpen(file, pin);
    return true;
  } catch {
    return false;
  } finally {
    await file?.close();
  }
}

async function verifyOpen(file, pin) {
  const { size } = await file.stat();
  if (pin.size !== undefined && size !== pin.size) {
    throw new Error(`expected ${pin.file} of ${pin.size} bytes, received ${size}`);
  }
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (let offset = 0; offset < size;) {
    const { bytesRead } = await file.read(buffer, 0, chunkBytes, offset);
    if (bytesRead === 0) {
      break;
    }
    hash.update(buffer.subarray(0, bytesRead));
    offset += bytesRead;
  }
  const sha256 = hash.digest('hex');
  if (sha256 !== pin.sha256) {
    throw new Error(`expected ${pin.file} with sha256 ${pin.sha256}, received ${sha256}`);
  }
}
