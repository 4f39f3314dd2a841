import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as parquet from 'parquet-wasm/esm';

/** The library once its WebAssembly runs. */
export type Parquet = typeof parquet;

const pageBytes = 65_536;

let ready = false;

/**
 * parquet-wasm with its memory bounded: the module says no maximum, so one is written into it before
 * it is compiled: a page of a file may claim to be 2 GB, and a dictionary may say one long text a
 * million times. What needs more fails as an exception of WebAssembly, not as a lack of memory. The
 * first call in a thread decides.
 */
export function loadParquet(maxBytes: number = 2 ** 30): Parquet {
  if (!ready) {
    const path = createRequire(import.meta.url).resolve('parquet-wasm/esm/parquet_wasm_bg.wasm');
    const pages = Math.floor(maxBytes / pageBytes);
    parquet.initSync({ module: withMaximum(readFileSync(path), pages) });
    ready = true;
  }
  return parquet;
}

const memorySection = 5;

/** The module with a maximum for its one memory (WebAssembly core specification, 5.5.8). */
export function withMaximum(module: Uint8Array, pages: number): Uint8Array<ArrayBuffer> {
  for (let at = 8; at < module.length;) {
    const [size, body] = readUnsigned(module, at + 1);
    if (module[at] === memorySection) {
      const [count, flagsAt] = readUnsigned(module, body);
      const [least, end] = readUnsigned(module, flagsAt + 1);
      if (count !== 1 || module[flagsAt] !== 0 || end !== body + size) {
        throw new Error('expected one memory without a maximum in parquet-wasm');
      }
      const limits = [1, 1, ...unsigned(least), ...unsigned(pages)];
      const section = [memorySection, ...unsigned(limits.length), ...limits];
      const bounded = new Uint8Array(at + section.length + module.length - end);
      bounded.set(module.subarray(0, at));
      bounded.set(section, at);
      bounded.set(module.subarray(end), at + section.length);
      return bounded;
    }
    at = body + size;
  }
  throw new Error('expected a memory in parquet-wasm, found none');
}

/** An unsigned LEB128 number and where the next byte stands. */
function readUnsigned(bytes: Uint8Array, start: number): [value: number, end: number] {
  let value = 0;
  for (let at = start, factor = 1; ; at++, factor *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) {
      return [value, at + 1];
    }
  }
}

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(Math.floor(value / 128))];
}
