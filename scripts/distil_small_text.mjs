// Writes the training text of models/simgpt-small: the sentences of those shared files whose source
// states a licence that permits it (CC BY-SA 4.0 or Apache-2.0), each once, one per line.
//
//     node scripts/distil_small_text.mjs ../shared/data build/distil/texts.txt
//
// Sentences of the STS test sets are left out later, by `simgpt train --exclude-overlap`.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** File, its licence as its source states it, and the sentences of a row. */
const sources = [
  { path: 'pairs/wikisplit.tsv.gz', licence: 'CC BY-SA 4.0', columns: ['sentence1', 'sentence2'] },
  { path: 'text/query_wellformedness.tsv', licence: 'CC BY-SA 4.0', columns: ['question'] },
  {
    path: 'pairs/snli_dev_test.tsv.gz',
    licence: 'CC BY-SA 4.0',
    columns: ['sentence1', 'sentence2'],
  },
  {
    path: 'pairs/counterfactual_nli.tsv',
    licence: 'Apache-2.0',
    columns: ['sentence1', 'sentence2'],
  },
  { path: 'tokenizers/vectors/bert-base-uncased.squad_dev.jsonl.gz', licence: 'CC BY-SA 4.0' },
];

/** A text as it is written, from the form that a treebank tokenizer left it in. */
function plain(text) {
  return text
    .replaceAll(/``|''/g, '"')
    .replaceAll(/-LRB-\s?/g, '(')
    .replaceAll(/\s?-RRB-/g, ')')
    .replaceAll(/ (n't|'s|'re|'ve|'ll|'d|'m)\b/g, '$1')
    .replaceAll(/ ([,.;:!?)%])/g, '$1')
    .replaceAll(/([($]) /g, '$1')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function* sentencesOf(folder, { path, columns }) {
  const bytes = readFileSync(join(folder, path));
  const text = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
  const lines = text.split('\n').filter((line) => line !== '');
  if (columns === undefined) {
    for (const line of lines) yield JSON.parse(line).text;
    return;
  }
  const header = lines[0].split('\t');
  const places = columns.map((column) => header.indexOf(column));
  for (const line of lines.slice(1)) {
    const fields = line.split('\t');
    // Both halves of a split sentence, apart and whole.
    for (const place of places) {
      const parts = fields[place].split(' <::::> ');
      if (parts.length > 1) yield parts.join(' ');
      yield* parts;
    }
  }
}

const [folder, output] = process.argv.slice(2);
if (folder === undefined || output === undefined) {
  process.stderr.write('usage: node scripts/distil_small_text.mjs DATA_FOLDER OUTPUT\n');
  process.exit(2);
}
const seen = new Set();
const texts = [];
for (const source of sources) {
  const before = texts.length;
  for (const sentence of sentencesOf(folder, source)) {
    const text = plain(sentence);
    const key = text.toLowerCase();
    if (text.length < 8 || seen.has(key)) continue;
    seen.add(key);
    texts.push(text);
  }
  process.stdout.write(`${source.path} (${source.licence}): ${texts.length - before} sentences\n`);
}
mkdirSync(dirname(output), { recursive: true });
writeFileSync(output, `${texts.join('\n')}\n`);
process.stdout.write(`${output}: ${texts.length} sentences\n`);
