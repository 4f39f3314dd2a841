import { z } from 'zod';

const temperature = z.number().gt(0);

const infoNce = z.strictObject({
  kind: z.literal('infoNce'),
  temperature,
  /** Added to the score of an example's own hard negatives (D1). */
  hardNegativeWeight: z.number().optional(),
  symmetric: z.boolean().optional(),
});

const energyHinge = z.strictObject({
  kind: z.literal('energyHinge'),
  /** On similarities, not scores. */
  margin: z.number().min(0),
});

const multiCsr = z.strictObject({
  kind: z.literal('multiCsr'),
  temperature,
  /** Candidates whose similarity under the reference encoder is above it are excluded. */
  threshold: z.number().min(-1).max(1),
  /** D2: leave an excluded candidate out, or give it score 0 as the published code does. */
  masked: z.enum(['exclude', 'zeroScore']),
});

const qwen3 = z.strictObject({
  kind: z.literal('qwen3'),
  temperature,
  margin: z.number().min(0).optional(),
  otherHardNegatives: z.boolean().optional(),
});

const coSent = z.strictObject({ kind: z.literal('coSent'), temperature });
const triplet = z.strictObject({ kind: z.literal('triplet'), margin: z.number().min(0) });

const distillation = z.strictObject({
  kind: z.literal('distillation'),
  /** What is matched: the teacher's vectors, or its similarities within the batch. */
  target: z.enum(['vectors', 'scores']),
  divergence: z.enum(['kl', 'mse', 'cosine']),
  temperature: temperature.optional(),
});

const plain = [infoNce, energyHinge, multiCsr, qwen3, coSent, triplet, distillation] as const;

const matryoshka = z.strictObject({
  kind: z.literal('matryoshka'),
  sizes: z.array(z.strictObject({ dimensions: z.int().min(1), weight: z.number().gt(0) })).min(1),
  loss: z.discriminatedUnion('kind', plain),
});

/** One loss as a recipe's file states it; its mathematics is METHODS 1.4. */
export const lossSchema = z.discriminatedUnion('kind', [...plain, matryoshka]);
