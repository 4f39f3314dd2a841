// The protocol every peer speaks: one JSON request a line on stdin, one JSON answer a line on
// stdout. Requests: load, input, embed; the fields are those of the three functions below.
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * @param {{
 *   load: (request: { model: string, threads: number }) => Promise<object>,
 *   prepare?: (input: { texts?: string[], ids?: number[][] }, batch: number) => Promise<unknown>,
 *   embed: (prepared: unknown, batch: number) => Promise<Float32Array[]>,
 * }} peer prepare runs before the clock starts
 */
export async function servePeer({ load, prepare = async (input) => input, embed }) {
  const inputs = new Map();
  const ready = new Map();
  const answers = {
    load,
    input: async ({ name, path }) => {
      inputs.set(name, JSON.parse(readFileSync(path, 'utf8')));
      return {};
    },
    embed: async ({ input, batch, save }) => {
      const key = `${input} ${batch}`;
      if (!ready.has(key)) {
        ready.set(key, await prepare(inputs.get(input), batch));
      }
      const cpu = process.cpuUsage();
      const start = process.hrtime.bigint();
      const parts = await embed(ready.get(key), batch);
      const seconds = Number(process.hrtime.bigint() - start) / 1e9;
      const { user, system } = process.cpuUsage(cpu);
      if (save !== undefined) {
        writeFileSync(save, Buffer.concat(parts.map(bytesOf)));
      }
      return { seconds, cpuSeconds: (user + system) / 1e6, peakBytes: peakBytes() };
    },
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const { op, ...request } = JSON.parse(line);
    let answer;
    try {
      answer = await answers[op](request);
    } catch (error) {
      answer = { error: String(error?.message ?? error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

export function batchesOf(rows, batch) {
  return Array.from({ length: Math.ceil(rows.length / batch) }, (_, i) =>
    rows.slice(i * batch, (i + 1) * batch),
  );
}

function bytesOf(values) {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

function peakBytes() {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}
