import type { Command } from '@commander-js/extra-typings';
import { SimgptError } from '../errors.js';
import { interruptSignal } from './interrupt.js';
import { embedOptions, loadModel, modelOptions } from './model_options.js';
import type { ModelFlags } from './model_options.js';
import { printJson, printResult } from './print.js';

interface SimilarityFlags extends ModelFlags {
  readonly inputA?: string;
  readonly inputB?: string;
  readonly textField?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('similarity')
    .description('cosine similarity of two texts, or of two files row by row')
    .argument('[textA]', 'a text')
    .argument('[textB]', 'the text to compare it with')
    .option('--input-a <file>', 'txt, jsonl, csv or tsv instead of the texts')
    .option('--input-b <file>', 'as many texts, to compare row by row')
    .option('--text-field <name>', 'field or column of the text (default: text)')
    .option('--json', 'print one JSON object');
  for (const option of modelOptions({ precision: 'float32' })) {
    command.addOption(option);
  }
  command.action((textA, textB, flags) => run(textA, textB, flags as unknown as SimilarityFlags));
}

async function run(
  textA: string | undefined,
  textB: string | undefined,
  flags: SimilarityFlags,
): Promise<void> {
  const { inputA, inputB } = flags;
  const texts = [textA, textB].filter((text) => text !== undefined);
  const files = [inputA, inputB].filter((path) => path !== undefined);
  if (texts.length + files.length !== 2 || texts.length === 1) {
    throw new RangeError(
      `expected two texts, or --input-a and --input-b, received ${texts.length} texts and ` +
        `${files.length} files`,
    );
  }
  const signal = interruptSignal();
  const [a, b] =
    files.length === 0
      ? [[textA!], [textB!]]
      : [await readAll(inputA!, flags, signal), await readAll(inputB!, flags, signal)];
  if (a.length !== b.length) {
    throw new SimgptError(
      'dataInvalid',
      `expected as many texts in ${inputB} as the ${a.length} in ${inputA}, received ${b.length}`,
    );
  }
  const similarities = await compare(a, b, flags, signal);
  if (flags.json) {
    const value =
      files.length === 0 ? { similarity: similarities[0] } : { similarities: [...similarities] };
    await printJson({ model: flags.model, ...value });
  } else {
    await printResult(Array.from(similarities, (value) => `${value.toFixed(4)}\n`).join(''));
  }
}

async function compare(
  a: readonly string[],
  b: readonly string[],
  flags: SimilarityFlags,
  signal: AbortSignal,
): Promise<Float64Array> {
  const { cosineOfRows } = await import('../evaluate/metrics.js');
  await using encoder = await loadModel(flags, signal);
  const options = { ...embedOptions(flags), signal };
  const { embeddings, shape } = await encoder.embed([...a, ...b], options);
  const left = Uint32Array.from(a.keys());
  return cosineOfRows(
    embeddings,
    shape[1],
    left,
    left.map((row) => row + a.length),
  );
}

/** Every text of a file; one bad row would shift all pairs after it, so it stops the command. */
async function readAll(
  path: string,
  { textField }: SimilarityFlags,
  signal: AbortSignal,
): Promise<string[]> {
  const { formatOfName, openInput } = await import('../dataset/input.js');
  const { readTexts } = await import('../dataset/readers.js');
  const format = path === '-' ? 'txt' : formatOfName(path);
  const source = await openInput(path, signal);
  const texts: string[] = [];
  const options = { format, ...(textField === undefined ? {} : { textField }) };
  for await (const row of readTexts(source, options)) {
    if (row.problem !== undefined) {
      const where = `${source.name}, line ${row.line}`;
      throw new SimgptError('dataInvalid', `${where}: ${row.problem}`);
    }
    texts.push(row.text);
  }
  return texts;
}
