// What the rows train: the golden BERT, one example, InfoNCE.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { encoderSpec } from './harness.mjs';

export const trainSpec = {
  trains: 'all',
  freshHead: false,
  headWhenEvaluating: true,
  initializerRange: 0.02,
  hiddenDropout: 0,
  attentionDropout: 0,
  promptLength: 0,
  promptProjection: 0,
  loraRank: 4,
  loraAlpha: 8,
  seed: 0,
};
export const trainStep = {
  learningRate: 0.1,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
};
export const exampleRequest = { examples: 1, exampleIds: Int32Array.of(0), step: 0, maxTokens: 0 };
export const trainRequest = {
  examples: 1,
  exampleIds: Int32Array.of(0),
  losses: [{ kind: 'infoNce', weight: 1, temperature: 1, learnsTemperature: false }],
  inputs: {},
  dropout: false,
  maxTokens: 0,
  chunkTokens: 0,
  mlmWeight: 0,
};
Object.assign(trainRequest.losses[0], { hardNegativeWeight: 0, symmetricWeight: 0 });
// A model there really is: training has no stand-in.
const trainedModel = fileURLToPath(new URL('../../test/golden/bert-erf/', import.meta.url));
export const trainedSpec = {
  ...encoderSpec,
  config: {
    ...encoderSpec.config,
    vocabSize: 54,
    hiddenSize: 24,
    layerCount: 3,
    intermediateSize: 40,
    maxPositions: 40,
  },
  tokenizer: { kind: 'tokenizerJson', path: join(trainedModel, 'tokenizer.json') },
  weights: [join(trainedModel, 'model.safetensors')],
};
