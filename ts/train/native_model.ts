import { Encoder } from '../encoder/encoder.js';
import type { Head } from '../encoder/pooling.js';
import { openForeignEncoders } from './foreign_encoders.js';
import { Optimizer } from './optimizer.js';
import type { Settings } from './recipe_schema.js';
import type { ModelRequest, OpenModel, TrainableModel } from './trainable.js';

function loadTraining(request: Omit<ModelRequest, 'texts'>): Promise<Encoder> {
  const { checkpoint, compute, settings, seed, threads, signal } = request;
  return Encoder.load(checkpoint.dir, {
    pooling: checkpoint.pooling,
    ...headsOf(settings.head, checkpoint.head),
    ...compute,
    trains: settings.trains,
    dropout: settings.dropout ?? undefined,
    trainingTokens: settings.maxTokens ?? undefined,
    mlm: settings.mlm === null ? undefined : { rate: settings.mlm.rate },
    seed,
    threads,
    signal,
  });
}

/** Opens a model for training in the addon, with its optimizer and the encoders its losses ask. */
export const openNativeModel: OpenModel = async (request) => {
  const { settings } = request;
  const encoder = await loadTraining(request);
  const optimizer = new Optimizer(encoder, settings.optimizer);
  const foreign = await openForeignEncoders(request);
  const model: TrainableModel = {
    embed: (texts, options) => encoder.embed(texts, options),
    accumulate: (batch) =>
      encoder.accumulateGradients({ ...batch, equalTexts: settings.equalTexts }, foreign.losses, {
        chunkTokens: request.chunkTokens,
        mlmWeight: mlmWeightAt(batch.step, settings.mlm),
      }),
    update: ({ learningRate, maxGradNorm }) => optimizer.step({ learningRate, maxGradNorm }),
    saveState: (path) => encoder.saveTrainingState(path),
    loadState: (path) => encoder.loadTrainingState(path),
    exportModel: (folder) => encoder.save(folder, { dtype: settings.exportDtype }),
  };
  return {
    ...model,
    [Symbol.asyncDispose]: async () => {
      await optimizer.dispose();
      await encoder.dispose();
      await foreign[Symbol.asyncDispose]();
    },
  };
};

type Heads = { readonly head: Head; readonly testHead: 'asTrained' | 'none' };

/** METHODS 1.3: one head in training; at test the same one or none. */
function headsOf({ train, test }: Settings['head'], own: Head): Heads {
  const head = train === 'asModel' ? own : train;
  const atTest = test === 'asModel' ? own : test;
  if (atTest === head) return { head, testHead: 'asTrained' };
  if (atTest === 'none') return { head, testHead: 'none' };
  throw new RangeError(
    `expected head.test to be none or ${head}, the head in training, received ${atTest}`,
  );
}

/** mu · decay^(step / decaySteps), the division read as real (METHODS 1.4). */
export function mlmWeightAt(step: number, mlm: Settings['mlm']): number {
  return mlm === null ? 0 : mlm.weight * mlm.decay ** (step / mlm.decaySteps);
}
