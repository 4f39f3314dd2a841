import { native, runJob } from '../native.js';
import type { NativeSafetensors, NativeTensorSource } from '../native.js';

export interface JobOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * The tensors a safetensors file holds, from its checked header; data is not read. Throws
 * SimgptError `fileNotFound`, `fileInvalid` (naming tensor and field), `ioFailed`, `cancelled`.
 */
export async function inspectSafetensors(
  path: string,
  { signal }: JobOptions = {},
): Promise<NativeSafetensors> {
  return runJob(signal, (token) => native().inspectSafetensors(path, token));
}

/** One tensor as float32, row-major; dtypes F32, F16 and BF16. */
export async function readTensor(
  path: string,
  name: string,
  { signal }: JobOptions = {},
): Promise<Float32Array> {
  return runJob(signal, (token) => native().readTensor(path, name, token));
}

/** Copies named tensors into one new file, streamed; the target appears whole or not at all. */
export async function copySafetensors(
  target: string,
  sources: readonly NativeTensorSource[],
  { signal }: JobOptions = {},
): Promise<void> {
  return runJob(signal, (token) => native().copySafetensors(target, sources, token));
}
