import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Bill {
  readonly calls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly requests: number;
  readonly keys: number;
  readonly files: number;
  readonly batches: number;
}

/** Starts the fake server in a process of its own; disposing ends it. */
export async function startFakeServer(settings: object = {}, trap?: string) {
  const script = fileURLToPath(new URL('./fake_server.js', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(settings)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], ...(trap === undefined ? {} : { FAKE_TRAP: trap }) },
  });
  const lines = createInterface({ input: child.stdout });
  const [port] = (await once(lines, 'line')) as [string];
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    baseUrl: `${origin}/v1`,
    /** A line per billed call, as `simgpt ledger --reconcile` reads them. */
    billLines: async () => (await fetch(`${origin}/bill/lines`)).text(),
    bill: async () => (await (await fetch(`${origin}/bill`)).json()) as Bill,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
