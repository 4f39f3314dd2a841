// Pairs and triples that the user has, as the input of a run that grades, labels or judges them.
import { readExamples } from '../dataset/examples.js';
import type { ReadExamplesOptions } from '../dataset/examples.js';
import type { TrainingExample } from '../dataset/training_example.js';
import { provenanceOf } from './example.js';
import { badRow, fileInput } from './input_rows.js';
import type { GenerationInput } from './input_rows.js';
import type { IntermediateRow } from './recipe.js';
import { exampleInput } from './recipes/example_input.js';

/**
 * The examples of a file as rows with a field `example`; what else their records hold is left out.
 * Throws SimgptError `fileNotFound`.
 */
export async function exampleFileInput(
  path: string,
  options: ReadExamplesOptions = {},
): Promise<GenerationInput> {
  return fileInput(path, async function* (limit, onBad) {
    let count = 0;
    for await (const row of readExamples(path, { ...options, keepRecords: true })) {
      if (limit !== null && count >= limit) return;
      if (row.problem !== undefined) {
        await onBad(badRow(path, row.line, row.field, row.problem));
      } else {
        count += 1;
        yield exampleRow(row);
      }
    }
  });
}

function exampleRow(example: TrainingExample): IntermediateRow {
  const { id, anchor, positive, hardNegatives, source } = example;
  const { positiveScore, negativeScore, instruction, task, group } = example;
  const provenance = knownProvenance(example.provenance);
  const fields = {
    anchor,
    positive,
    hardNegatives: [...hardNegatives],
    positiveScore,
    negativeScore,
    instruction,
    task,
    group,
    provenance,
  };
  return { id, fields: { example: exampleInput(fields), source } };
}

/** Of a file of ours; another's word for where its texts come from is no lineage of calls. */
function knownProvenance(json: string | undefined) {
  if (json === undefined) return undefined;
  try {
    return provenanceOf(JSON.parse(json));
  } catch {
    return undefined;
  }
}
