import { Encoder } from '../encoder/encoder.js';
import type { SentenceEmbeddings, SentenceEncoder } from '../encoder/sentence_encoder.js';
import { SimgptError } from '../errors.js';
import { distinctRows, encodeTexts } from '../evaluate/encode_texts.js';
import type { Loss, MatryoshkaLoss, NoisyReference } from './loss.js';
import type { LossSettings } from './loss_schema.js';
import { withDropout } from './session.js';
import type { ModelRequest } from './trainable.js';

/** The encoders that a recipe's losses ask, opened for one run. */
export interface ForeignEncoders extends AsyncDisposable {
  /** The recipe's losses with the encoders they ask. */
  readonly losses: readonly Loss[];
}

/** Vectors of a teacher are kept for the whole data up to this many texts. */
const keptTexts = 1_000_000;

type Reference = SentenceEncoder | NoisyReference;

/**
 * Opens what tells false negatives and what is learned from. The teacher's vectors are computed once
 * and in one order, so that a resumed run learns from the same bits.
 */
export async function openForeignEncoders(request: ModelRequest): Promise<ForeignEncoders> {
  const { settings } = request;
  const encoder = await openReference(request);
  const noisy = settings.reference?.dropout === true;
  const reference = encoder !== undefined && noisy ? withDropout(encoder) : encoder;
  const teacher = await openTeacher(request);
  return {
    losses: settings.losses.map((loss) => withEncoders(loss, reference, teacher)),
    [Symbol.asyncDispose]: async () => encoder?.dispose(),
  };
}

async function openReference(request: ModelRequest): Promise<Encoder | undefined> {
  const { reference: found, compute, settings, seed, threads, signal } = request;
  if (found === undefined) return undefined;
  const { pooling, head } = found;
  const device = compute?.device;
  const load = { pooling, head, device, precision: 'float32', threads, signal } as const;
  if (settings.reference?.dropout !== true) return Encoder.load(found.dir, load);
  return Encoder.load(found.dir, {
    ...load,
    // Nothing of it is updated; biases are the least that has gradients.
    trains: { kind: 'bitFit' },
    trainingTokens: settings.maxTokens ?? undefined,
    // Masks of its own, not those of the model that is trained.
    seed: Number.MAX_SAFE_INTEGER - seed,
  });
}

async function openTeacher({
  compute,
  teacher,
  texts,
  threads,
  signal,
  onTeacher,
}: ModelRequest): Promise<SentenceEncoder | undefined> {
  if (teacher === undefined) return undefined;
  const { pooling, head } = teacher;
  const { device } = compute ?? {};
  const load = { pooling, head, device, precision: 'float32', threads, signal } as const;
  await using encoder = await Encoder.load(teacher.dir, load);
  const rowOf = distinctRows(texts());
  if (rowOf.size > keptTexts) {
    throw new SimgptError(
      'unsupported',
      `expected at most ${keptTexts} texts for a teacher, received ${rowOf.size}`,
    );
  }
  const { embeddings, dimensions } = await encodeTexts(
    encoder,
    [...rowOf.keys()],
    { signal },
    (done, total) => onTeacher?.({ done, total }),
  );
  return {
    embed: (asked) => Promise.resolve(pick(embeddings, dimensions, asked, rowOf)),
  };
}

function pick(
  embeddings: Float32Array,
  dimensions: number,
  texts: readonly string[],
  rowOf: ReadonlyMap<string, number>,
): SentenceEmbeddings {
  const rows = new Float32Array(texts.length * dimensions);
  for (const [place, text] of texts.entries()) {
    const row = rowOf.get(text);
    if (row === undefined) throw new RangeError('expected a text of the training data');
    rows.set(embeddings.subarray(row * dimensions, (row + 1) * dimensions), place * dimensions);
  }
  return {
    embeddings: rows,
    shape: [texts.length, dimensions],
    truncated: new Uint8Array(texts.length),
  };
}

function withEncoders(
  loss: LossSettings,
  reference: Reference | undefined,
  teacher: SentenceEncoder | undefined,
): Loss {
  if (loss.kind !== 'matryoshka') return plainWithEncoders(loss, reference, teacher);
  const losses = loss.losses.map((inner) => plainWithEncoders(inner, reference, teacher));
  return { ...loss, losses };
}

function plainWithEncoders(
  loss: Exclude<LossSettings, { kind: 'matryoshka' }>,
  reference: Reference | undefined,
  teacher: SentenceEncoder | undefined,
): MatryoshkaLoss['losses'][number] {
  switch (loss.kind) {
    case 'multiCsr':
      return { ...loss, reference };
    case 'infoNce': {
      const { excludeFalseNegatives: excluded, ...rest } = loss;
      return excluded === undefined
        ? rest
        : { ...rest, excludeFalseNegatives: { ...excluded, reference } };
    }
    case 'distillation':
      return loss.target === 'scores' ? loss : { ...loss, teacher };
    default:
      return loss;
  }
}
