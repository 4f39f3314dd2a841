import { z } from 'zod';

/** Factor in the sum of losses. */
const weight = z.number().gt(0).optional();
const temperature = z.number().gt(0).optional();

/** What tells false negatives; the reference encoder itself is the run's, not the recipe's. */
const exclusion = z.strictObject({
  above: z.number().min(-1).max(1).optional(),
  margin: z.number().min(0).optional(),
});

const learnedTemperature = z.strictObject({
  kind: z.literal('learned'),
  initial: z.number().gt(0),
  lowest: z.number().gt(0).optional(),
});

const infoNce = z.strictObject({
  kind: z.literal('infoNce'),
  weight,
  temperature: z.union([z.number().gt(0), learnedTemperature]).optional(),
  hardNegativeWeight: z.number().optional(),
  symmetricWeight: z.number().min(0).optional(),
  excludeFalseNegatives: exclusion.optional(),
});

const energyHinge = z.strictObject({
  kind: z.literal('energyHinge'),
  weight,
  margin: z.number().min(0).optional(),
});

const multiCsr = z.strictObject({
  kind: z.literal('multiCsr'),
  weight,
  temperature,
  above: z.number().min(-1).max(1).optional(),
  masked: z.enum(['exclude', 'zeroScore']).optional(),
});

const qwen3 = z.strictObject({
  kind: z.literal('qwen3'),
  weight,
  temperature,
  margin: z.number().min(0).optional(),
  otherHardNegatives: z.boolean().optional(),
});

const coSent = z.strictObject({ kind: z.literal('coSent'), weight, temperature });

const triplet = z.strictObject({
  kind: z.literal('triplet'),
  weight,
  margin: z.number().min(0).optional(),
});

const distillation = z.strictObject({
  kind: z.literal('distillation'),
  weight,
  target: z.enum(['vectors', 'similarities', 'scores']).optional(),
  objective: z.enum(['mse', 'kl']).optional(),
  temperature,
  teacherTemperature: temperature,
});

const plain = [infoNce, energyHinge, multiCsr, qwen3, coSent, triplet, distillation] as const;

const matryoshka = z.strictObject({
  kind: z.literal('matryoshka'),
  weight,
  losses: z.array(z.discriminatedUnion('kind', plain)).min(1),
  sizes: z.array(z.int().min(1)).min(1),
  weights: z.array(z.number().gt(0)).optional(),
});

/** One loss as a recipe's file states it: a `Loss` without the encoders that it may ask. */
export const lossSchema = z.discriminatedUnion('kind', [...plain, matryoshka]);

export type LossSettings = z.infer<typeof lossSchema>;
