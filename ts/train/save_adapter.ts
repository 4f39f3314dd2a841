import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { deepPromptFile } from '../encoder/checkpoint.js';
import { copySafetensors, inspectSafetensors } from '../encoder/safetensors.js';
import { writeFileAtomic } from '../files/atomic.js';
import { runJob } from '../native.js';
import type { NativeTrainingEncoder } from '../native.js';
import { loraSize } from './training_options.js';
import type { Trains } from './training_options.js';

interface Adapted {
  readonly native: Pick<NativeTrainingEncoder, 'saveTensors'>;
  readonly trains: Trains;
}

/**
 * Writes what was added to a model into its folder: LoRA as `adapter/`, which PEFT loads onto the
 * transformer it was trained from (a head or dense module trains as a whole beside it and is in the
 * folder itself); a deep prompt as `deep_prompt.safetensors`.
 */
export async function saveAdapter(
  { native, trains }: Adapted,
  folder: string,
  signal?: AbortSignal,
): Promise<void> {
  if (trains.kind === 'deepPrompt') {
    const path = join(folder, deepPromptFile);
    await runJob(signal, (token) => native.saveTensors(path, 'adapter', '', token));
  } else if (trains.kind === 'lora') {
    const { rank, alpha } = loraSize(trains);
    await saveLora(native, join(folder, 'adapter'), rank, alpha, signal);
  }
}

async function saveLora(
  native: Adapted['native'],
  folder: string,
  rank: number,
  alpha: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  await mkdir(folder);
  const plain = join(folder, 'plain.safetensors');
  await runJob(signal, (token) => native.saveTensors(plain, 'adapter', '', token));
  const { tensors } = await inspectSafetensors(plain, { signal });
  const renamed = tensors.map(({ name }) => ({ from: name, to: `base_model.model.${name}` }));
  const target = join(folder, 'adapter_model.safetensors');
  await copySafetensors(target, [{ path: plain, tensors: renamed }], { signal });
  await rm(plain);
  const modules = new Set(
    tensors.map(({ name }) => name.replace(/^encoder\.layer\.\d+\.|\.lora_.*$/g, '')),
  );
  const config = {
    peft_type: 'LORA',
    task_type: 'FEATURE_EXTRACTION',
    base_model_name_or_path: null,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    bias: 'none',
    inference_mode: true,
    target_modules: [...modules].sort(),
  };
  await writeFileAtomic(
    join(folder, 'adapter_config.json'),
    `${JSON.stringify(config, null, 2)}\n`,
  );
}
