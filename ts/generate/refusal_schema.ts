import { z } from 'zod';

const phrases = z.array(z.string().trim().min(2).max(200)).max(200);

/** A language's refusal phrases as their file holds them. */
export const refusalSchema = z.strictObject({
  language: z.string().regex(/^[a-z]{2,3}$/),
  openings: phrases,
  mentions: phrases,
  certain: phrases,
});
