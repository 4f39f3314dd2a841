import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Files of a model folder by name; objects and lists are written as JSON. */
export type FolderFiles = Readonly<Record<string, unknown>>;

/** A folder that is removed with everything in it when the test leaves its scope. */
export interface TemporaryFolder extends Disposable {
  readonly path: string;
}

export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'simgpt-test-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export const bertConfig = {
  model_type: 'bert',
  vocab_size: 100,
  hidden_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 2,
  intermediate_size: 40,
  max_position_embeddings: 64,
  hidden_act: 'gelu',
};

/** A plain Hugging Face folder; its weights are an empty file, which no test here opens. */
export const plainFiles: FolderFiles = {
  'config.json': bertConfig,
  'tokenizer.json': '{}',
  'model.safetensors': '',
};

const pooling = {
  word_embedding_dimension: 24,
  pooling_mode_cls_token: false,
  pooling_mode_mean_tokens: true,
};

export function moduleRow(index: number, name: string, type?: string): unknown {
  const path = index === 0 ? '' : `${index}_${name}`;
  return {
    idx: index,
    name: `${index}`,
    path,
    type: type ?? `sentence_transformers.models.${name}`,
  };
}

/** A sentence-transformers folder: Transformer, Pooling (mean), Normalize. */
export const sentenceFiles: FolderFiles = {
  ...plainFiles,
  'modules.json': [moduleRow(0, 'Transformer'), moduleRow(1, 'Pooling'), moduleRow(2, 'Normalize')],
  '1_Pooling/config.json': pooling,
  'sentence_bert_config.json': { max_seq_length: 32, do_lower_case: false },
};

/** Writes the files; undefined leaves one out. */
export async function writeFolder(dir: string, files: FolderFiles): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    if (content === undefined) continue;
    const path = join(dir, name);
    await mkdir(dirname(path), { recursive: true });
    const raw = typeof content === 'string' || content instanceof Uint8Array;
    await writeFile(path, raw ? content : JSON.stringify(content));
  }
}
