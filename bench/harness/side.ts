import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Timing } from './rounds.js';

/** How to start a side, and the model folder it reads. */
export interface SideCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly model: string;
}

export interface SideOptions {
  readonly threads: number;
  /** Default 256. */
  readonly maxTokens?: number;
  /** Default 'cpu'; the onnxruntime sides know no other. */
  readonly device?: 'cpu' | 'cuda';
  /** Default 'float32'. */
  readonly precision?: 'float32' | 'bfloat16' | 'float16';
}

/** Texts, or ids already cut: what every side is given. */
export type SideInput =
  | { readonly texts: readonly string[]; readonly only?: 'tokens' }
  | { readonly ids: readonly number[][] };

/**
 * A process that embeds. One JSON request a line, one JSON answer a line (bench/peers/peer.mjs);
 * the side times itself, so the pipe is not in the figures.
 */
export class Side implements AsyncDisposable {
  readonly name: string;
  versions: Readonly<Record<string, string>> = {};
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  readonly #folder = mkdtempSync(join(tmpdir(), 'simgpt-bench-'));
  #errors = '';

  private constructor({ name, command, args }: SideCommand, threads: number) {
    this.name = name;
    this.#child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, OMP_NUM_THREADS: String(threads), HF_HUB_OFFLINE: '1' },
    });
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-2000);
    });
    this.#child.on('error', (error) => {
      this.#errors += error.message;
    });
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  static async start(command: SideCommand, options: SideOptions): Promise<Side> {
    const side = new Side(command, options.threads);
    const { maxTokens = 256, device = 'cpu', precision = 'float32', threads } = options;
    const request = { op: 'load', model: command.model, threads, maxTokens, device, precision };
    const answer = await side.request<{ versions: Record<string, string> }>(request);
    side.versions = answer.versions;
    return side;
  }

  /** Hands an input over once; later calls name it. */
  async give(name: string, input: SideInput): Promise<void> {
    const path = join(this.#folder, `${randomUUID()}.json`);
    writeFileSync(path, JSON.stringify(input));
    await this.request({ op: 'input', name, path });
    rmSync(path);
  }

  async embed(input: string, batch: number): Promise<Timing> {
    return this.request<Timing>({ op: 'embed', input, batch });
  }

  /** The embeddings of an input, rows after each other. */
  async embeddings(input: string, batch: number): Promise<Float32Array> {
    const save = join(this.#folder, 'embeddings');
    await this.request({ op: 'embed', input, batch, save });
    const bytes = readFileSync(save);
    rmSync(save);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }

  async request<T>(request: Readonly<Record<string, unknown>>): Promise<T> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    const line = await this.#answers.next();
    if (line.done === true) {
      throw new Error(`${this.name} ended: ${this.#errors.trim() || 'nothing on stderr'}`);
    }
    const answer = JSON.parse(line.value) as T & { error?: string };
    if (answer.error !== undefined) {
      throw new Error(`${this.name}: ${answer.error}`);
    }
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin!.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      await new Promise((resolve) => this.#child.once('close', resolve));
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
