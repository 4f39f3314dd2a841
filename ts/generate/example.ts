import { z } from 'zod';

import { canonicalJson, withoutUndefined } from '../files/canonical_json.js';
import { checkedShape, readJsonLine } from './run_lines.js';

const text = z.string().min(1);
const score = z.number();
const name = z.string().min(1).max(1024);

/** Where a generated text comes from: enough to write its call once more. */
const provenance = z.strictObject({
  template: z.strictObject({
    id: name,
    version: z.int().min(1),
    /** sha256 of the template's canonical form. */
    hash: z.string().regex(/^[0-9a-f]{64}$/),
  }),
  model: name,
  decoding: z.record(z.string().regex(/^[a-z][A-Za-z]{0,63}$/), z.number()),
  seed: z.int().min(0),
  /** The id of the input row that the call was made for. */
  sourceId: name,
});

export const exampleSchema = z.strictObject({
  id: name,
  anchor: text,
  positive: text,
  hardNegatives: z.array(text),
  positiveScore: score.optional(),
  negativeScore: score.optional(),
  /** What the texts are compared for; models with instructions read it. */
  instruction: text.optional(),
  task: name.optional(),
  group: name.optional(),
  /** The data set the anchor comes from. */
  source: name.optional(),
  /** One per call that wrote a part of it, in call order. */
  provenance: z.array(provenance).min(1),
});

/** The part of another's example that says where its texts come from, or none where it is not ours. */
export function provenanceOf(value: unknown): Example['provenance'] | undefined {
  const result = exampleSchema.shape.provenance.safeParse(value);
  return result.success ? result.data : undefined;
}

/** A training example of anchor, positive and hard negatives, with its provenance. */
export type Example = z.infer<typeof exampleSchema>;
export type Provenance = Example['provenance'][number];

/** One JSON line without its line break; equal examples give equal bytes. Throws as reading does. */
export function serializeExample(example: Example): string {
  return canonicalJson(withoutUndefined(checkedShape(example, 'example', exampleSchema)));
}

/** Reads one line; `where` names it in the error. Throws SimgptError `dataInvalid`. */
export function readExample(line: string, where: string): Example {
  return readJsonLine(line, where, exampleSchema);
}
