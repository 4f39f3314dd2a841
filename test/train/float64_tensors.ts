import { readFile } from 'node:fs/promises';

/** The tensors of a safetensors file whose dtype is F64, by name; the addon reads no such file. */
export async function readFloat64Tensors(path: string): Promise<ReadonlyMap<string, Float64Array>> {
  const bytes = await readFile(path);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<
    string,
    { readonly dtype: string; readonly data_offsets: readonly [number, number] }
  >;
  const tensors = Object.entries(header).filter(([, { dtype }]) => dtype === 'F64');
  return new Map(
    tensors.map(
      ([
        name,
        {
          data_offsets: [from, to],
        },
      ]) => {
        const values = new Float64Array((to - from) / 8);
        new Uint8Array(values.buffer).set(bytes.subarray(start + from, start + to));
        return [name, values];
      },
    ),
  );
}
