import type { Encoder } from '../encoder/encoder.js';
import type { ModelSettings } from './report.js';

/** What stands beside every score of this model, where its texts were embedded with these options. */
export function modelSettings(
  encoder: Encoder,
  options: {
    readonly normalize?: boolean | undefined;
    readonly dimensions?: number | undefined;
    readonly prompt?: string | undefined;
  } = {},
): ModelSettings {
  const { checkpoint } = encoder;
  const prompt = options.prompt ?? checkpoint.defaultPrompt;
  return {
    model: checkpoint.id,
    revision: checkpoint.revision,
    pooling: checkpoint.pooling.join('+'),
    head: checkpoint.head,
    normalize: options.normalize ?? checkpoint.normalize,
    maxTokens: checkpoint.maxTokens,
    precision: encoder.precision,
    prompt: prompt === 'none' ? null : prompt,
    dimensions: options.dimensions ?? encoder.dimensions,
  };
}
