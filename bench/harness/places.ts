import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SideCommand } from './side.js';

/** The checkout's root: compiled benches live in build/bench. */
export const repoRoot = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const peersDir = join(repoRoot, 'bench/peers');

/** The folder of shared data and models beside the checkout, or where SIMGPT_SHARED says. */
export function sharedDir(): string {
  const dir = resolve(process.env['SIMGPT_SHARED'] ?? join(repoRoot, '../shared'));
  if (!existsSync(join(dir, 'data'))) {
    throw new Error(`expected the folder of shared data at ${dir}; SIMGPT_SHARED names another`);
  }
  return dir;
}

export const modelName = 'all-MiniLM-L6-v2';

export function modelDir(): string {
  return process.env['SIMGPT_MODEL'] ?? join(sharedDir(), 'models', modelName);
}

/** The Python of the peers: their own environment, or an interpreter that has the packages. */
export function peerPython(): string {
  return process.env['SIMGPT_BENCH_PYTHON'] ?? join(peersDir, 'env/bin/python');
}

export type PeerName = 'onnxruntime-node' | 'transformers.js' | 'sentence-transformers';

/** The small model that comes with the package. */
export const shippedModelDir = join(repoRoot, 'models/simgpt-small');

export function ourSide(model = modelDir(), name = 'simgpt'): SideCommand {
  const args = [join(peersDir, 'simgpt_peer.mjs')];
  return { name, command: process.execPath, args, model };
}

interface PeerFiles {
  readonly script: string;
  /** Below the folder of the peers. */
  readonly needs: readonly string[];
}

const nodePeers: Readonly<Record<Exclude<PeerName, 'sentence-transformers'>, PeerFiles>> = {
  'onnxruntime-node': {
    script: 'onnxruntime_peer.mjs',
    needs: ['node_modules/onnxruntime-node', `models/${modelName}/pooled.onnx`],
  },
  'transformers.js': {
    script: 'transformers_peer.mjs',
    needs: ['node_modules/@huggingface/transformers', `models/${modelName}/onnx/model.onnx`],
  },
};

/** How to start a peer, or why it cannot be started. */
export function peerSide(name: PeerName): SideCommand | { readonly absent: string } {
  const python = name === 'sentence-transformers';
  const { script, needs } = python
    ? { script: 'sentence_transformers_peer.py', needs: [peerPython()] }
    : nodePeers[name];
  const missing = needs.map((path) => resolve(peersDir, path)).find((path) => !existsSync(path));
  if (missing !== undefined) {
    return { absent: `no ${missing}; run: npm run bench:peers` };
  }
  return {
    name,
    command: python ? peerPython() : process.execPath,
    args: [join(peersDir, script)],
    model: python ? modelDir() : join(peersDir, 'models', modelName),
  };
}
