import type { TrainingExample } from '../dataset/training_example.js';
import { plainLosses } from './loss.js';
import type { LossSettings } from './loss_schema.js';
import type { Settings } from './recipe_schema.js';

/** Brings a row into the recipe's shape, or says what it lacks. */
export type RowShape = (
  example: TrainingExample,
) => TrainingExample | { readonly line: number; readonly field: string; readonly problem: string };

/** What a recipe says of its rows. */
export interface RowSettings {
  readonly data: Settings['data'];
  readonly losses: readonly LossSettings[];
}

type ScoreField = 'positiveScore' | 'negativeScore';

/** What the losses read of a row beside its texts. */
interface ScoreNeeds {
  readonly positive: boolean;
  readonly negative: boolean;
  /** Scores are compared with cosines, not only with each other. */
  readonly cosines: boolean;
  /** Scores of one candidate alone say nothing. */
  readonly candidates: boolean;
}

function scoreNeedsOf({ data, losses }: RowSettings): ScoreNeeds {
  const plain = plainLosses(losses);
  const scored = plain.flatMap((loss) =>
    loss.kind === 'distillation' && loss.target === 'scores' ? [loss.objective ?? 'mse'] : [],
  );
  const negative = scored.length > 0;
  const positive = negative || plain.some(({ kind }) => kind === 'coSent');
  if (positive && data !== 'pairs' && data !== 'triples') {
    throw new RangeError(
      `expected data pairs or triples for a loss that reads their scores, received ${data}`,
    );
  }
  const [cosines, candidates] = [scored.includes('mse'), scored.includes('kl')];
  return { positive, negative, cosines, candidates };
}

/**
 * The shape of the recipe's rows. Throws RangeError where a loss reads scores of data that relate no
 * texts.
 */
export function rowShapeOf(settings: RowSettings): RowShape {
  const { data } = settings;
  const needs = scoreNeedsOf(settings);
  // Anchor and positive are one text under two dropout masks; other columns are not read.
  if (data === 'sentences') {
    return (example) => ({ ...example, positive: example.anchor, hardNegatives: [] });
  }
  return (example) => {
    const { line, hardNegatives } = example;
    const none = hardNegatives.length === 0;
    if (none && (data === 'triples' || needs.candidates)) {
      const why = data === 'triples' ? "the recipe's triples have" : 'scores under kl need';
      const problem = `expected a hard negative, as ${why}, received none`;
      return { line, field: 'hardNegatives', problem };
    }
    const fields: readonly ScoreField[] = [
      ...(needs.positive ? (['positiveScore'] as const) : []),
      ...(needs.negative && !none ? (['negativeScore'] as const) : []),
    ];
    for (const field of fields) {
      const problem = scoreProblem(field, example[field], needs);
      if (problem !== undefined) return { line, field, problem };
    }
    return example;
  };
}

function scoreProblem(
  field: ScoreField,
  score: number | undefined,
  { cosines }: ScoreNeeds,
): string | undefined {
  if (score === undefined) return `expected ${field}, which the loss learns, received none`;
  if (!cosines || Math.abs(score) <= 1) return undefined;
  return `expected ${field} from -1 to 1, as the cosine that learns it, received ${score}`;
}
