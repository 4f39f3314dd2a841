import { extname } from 'node:path';
import { formatOfName, openInput } from '../dataset/input.js';
import type { DatasetFormat, InputSource } from '../dataset/input.js';
import { readTexts } from '../dataset/readers.js';
import type { TextRow } from '../dataset/readers.js';
import { SimgptError } from '../errors.js';
import type {
  SentenceEmbeddings,
  SentenceEmbedOptions,
  SentenceEncoder,
} from '../encoder/sentence_encoder.js';
import { expectFolderOf, expectWritable } from '../files/output_check.js';
import { createQuarantine } from '../files/quarantine.js';
import { createFileSink, createStreamSink } from './sinks.js';
import type { EmbeddingFormat } from './sinks.js';

export interface EmbedFileOptions {
  /** A path, or `-` for standard input. */
  readonly input: string;
  /** Default from the extension; txt for standard input. */
  readonly inputFormat?: DatasetFormat;
  /** A path, or `-` for standard output. */
  readonly output: string;
  /** Default from the extension; jsonl for standard output. */
  readonly outputFormat?: EmbeddingFormat;
  readonly textField?: string;
  readonly idField?: string;
  /** Where bad rows go; default beside the output. */
  readonly quarantine?: string;
  /** Replace an output that exists. */
  readonly overwrite?: boolean;
  /** Stop at the first bad row. */
  readonly strict?: boolean;
  readonly signal?: AbortSignal;
}

/** An embedding run whose files have been checked and whose input is open. */
export interface EmbedFilePlan {
  readonly options: EmbedFileOptions;
  readonly inputFormat: DatasetFormat;
  readonly outputFormat: EmbeddingFormat;
  readonly quarantinePath: string;
  readonly source: InputSource;
}

export interface EmbedFileSummary {
  readonly output: string;
  readonly dimensions: number;
  /** Rows written. */
  readonly ok: number;
  /** Rows in the quarantine file. */
  readonly failed: number;
  readonly total: number;
  /** Texts longer than the model's maximum. */
  readonly truncated: number;
  /** Texts in which half of a surrogate pair became U+FFFD. */
  readonly replaced: number;
  readonly quarantine: string | null;
}

/**
 * Checks everything that can be known before a model is loaded. Throws SimgptError `outputExists`,
 * `fileNotFound`, `unsupported` by extension, RangeError where input and output are one file.
 */
export async function planEmbedFile(options: EmbedFileOptions): Promise<EmbedFilePlan> {
  const { input, output } = options;
  const inputFormat = options.inputFormat ?? (input === '-' ? 'txt' : formatOfName(input));
  if (inputFormat === 'txt' && (options.textField ?? options.idField) !== undefined) {
    throw new RangeError(
      'expected --text-field and --id-field with jsonl, csv or tsv, received txt',
    );
  }
  const outputFormat = options.outputFormat ?? outputFormatOfName(output);
  const quarantinePath =
    options.quarantine ?? `${output === '-' ? 'stdout' : output}.quarantine.jsonl`;
  const outputs = output === '-' ? [quarantinePath] : [output, quarantinePath];
  await expectWritable(outputs, [input], options.overwrite === true);
  if (output !== '-') {
    await expectFolderOf(output);
  }
  const source = await openInput(input, options.signal);
  return { options, inputFormat, outputFormat, quarantinePath, source };
}

function outputFormatOfName(output: string): EmbeddingFormat {
  const extension = output === '-' ? '.jsonl' : extname(output).toLowerCase();
  if (extension === '.npy' || extension === '.jsonl') {
    return extension === '.npy' ? 'npy' : 'jsonl';
  }
  throw new SimgptError(
    'unsupported',
    `expected an output ending in .npy or .jsonl, received ${output}; ` +
      'or name the form with --output-format',
  );
}

// Enough texts to fill batches of like lengths, few enough to stay small in memory.
const rowsPerCall = 2048;
const charactersPerCall = 8 * 2 ** 20;

/**
 * Embeds the texts of the plan's input in order. Bad rows, and rows whose embedding is not finite,
 * go to the quarantine file (or stop the run with `strict`); on any failure neither file appears.
 */
export async function embedFile(
  encoder: SentenceEncoder,
  plan: EmbedFilePlan,
  embed: Omit<SentenceEmbedOptions, 'signal'> = {},
  onProgress?: (rows: number) => void,
): Promise<EmbedFileSummary> {
  const { output, signal } = plan.options;
  const quarantine = createQuarantine(plan.quarantinePath);
  const sink =
    output === '-'
      ? createStreamSink(process.stdout, plan.outputFormat)
      : await createFileSink(output, plan.outputFormat);
  const counts = { ok: 0, truncated: 0, replaced: 0, dimensions: 0 };
  const refuse: Refuse = async (line, field, reason) => {
    const row = { file: plan.source.name, line, field, reason };
    if (plan.options.strict) {
      const where = field === null ? '' : `, field ${field}`;
      throw new SimgptError('dataInvalid', `${row.file}, line ${line}${where}: ${reason}`);
    }
    await quarantine.add(row);
  };
  try {
    for await (const rows of groupRows(plan, refuse)) {
      const texts = rows.map((row) => row.text);
      const result = await encoder.embed(texts, { ...embed, signal });
      const kept = await keepFinite(rows, result, refuse);
      await sink.write(kept.ids, kept.embeddings, result.shape[1]);
      counts.ok += kept.ids.length;
      counts.dimensions = result.shape[1];
      counts.truncated += result.truncated.reduce((sum, flag) => sum + flag, 0);
      counts.replaced += rows.filter((row) => row.replaced).length;
      onProgress?.(counts.ok + quarantine.count());
    }
    await quarantine.commit();
    await sink.commit();
  } catch (error) {
    await sink.abort();
    await quarantine.abort();
    throw error;
  }
  const failed = quarantine.count();
  return {
    output,
    ...counts,
    failed,
    total: counts.ok + failed,
    quarantine: failed > 0 ? quarantine.path : null,
  };
}

type Refuse = (line: number, field: string | null, reason: string) => Promise<void>;

/** Ids and embeddings of the rows without NaN or infinity, moved up in place of the others. */
async function keepFinite(
  rows: readonly TextRow[],
  { embeddings, shape: [, dimensions] }: SentenceEmbeddings,
  refuse: Refuse,
): Promise<{ readonly ids: string[]; readonly embeddings: Float32Array }> {
  const ids: string[] = [];
  for (const [i, row] of rows.entries()) {
    const [start, end] = [i * dimensions, (i + 1) * dimensions];
    if (embeddings.subarray(start, end).every(Number.isFinite)) {
      embeddings.copyWithin(ids.length * dimensions, start, end);
      ids.push(row.id);
    } else {
      await refuse(row.line, null, 'expected a finite embedding, received NaN or infinity');
    }
  }
  return { ids, embeddings: embeddings.subarray(0, ids.length * dimensions) };
}

/** Good rows by the call; bad ones go to `refuse`. One call at least, so that dimensions are known. */
async function* groupRows(plan: EmbedFilePlan, refuse: Refuse): AsyncGenerator<TextRow[]> {
  const { textField, idField } = plan.options;
  let rows: TextRow[] = [];
  let characters = 0;
  let calls = 0;
  for await (const row of readTexts(plan.source, {
    format: plan.inputFormat,
    ...(textField === undefined ? {} : { textField }),
    ...(idField === undefined ? {} : { idField }),
  })) {
    if (row.problem !== undefined) {
      await refuse(row.line, row.field, row.problem);
      continue;
    }
    rows.push(row);
    characters += row.text.length;
    if (rows.length === rowsPerCall || characters >= charactersPerCall) {
      yield rows;
      calls++;
      rows = [];
      characters = 0;
    }
  }
  if (rows.length > 0 || calls === 0) {
    yield rows;
  }
}
