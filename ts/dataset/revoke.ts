import type { TrainingExample } from './training_example.js';

/** What is withdrawn: whole data sets by name, single input rows by id. */
export interface Revocation {
  readonly sources: readonly string[];
  readonly sourceIds: readonly string[];
}

/**
 * Tells whether a row descends from what is withdrawn: by its source, by the input row of any call
 * that wrote a part of it, or, where it has no lineage, by its own id. Rows are to be read with
 * `keepRecords`. The rows that remain are those that would be there had the others never been.
 */
export function revokes({ sources, sourceIds }: Revocation): (example: TrainingExample) => boolean {
  const names = new Set(sources);
  const ids = new Set(sourceIds);
  return ({ id, source, provenance }) =>
    names.has(source) || sourceIdsOf(id, provenance).some((sourceId) => ids.has(sourceId));
}

function sourceIdsOf(id: string, provenance: string | undefined): string[] {
  if (provenance === undefined) {
    return [id];
  }
  let calls: unknown;
  try {
    calls = JSON.parse(provenance);
  } catch {
    return [id];
  }
  const found = (Array.isArray(calls) ? calls : [calls]).map((call: unknown): unknown =>
    typeof call === 'object' && call !== null && Object.hasOwn(call, 'sourceId')
      ? (call as { readonly sourceId: unknown }).sourceId
      : undefined,
  );
  return found.filter((sourceId) => typeof sourceId === 'string');
}
