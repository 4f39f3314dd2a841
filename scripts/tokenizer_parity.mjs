// Are our ids those of `tokenizers` 0.23 everywhere? All STS and pair texts and random Unicode
// strings, for the four tokenizers of ../shared/data/tokenizers. Takes minutes.
//   npm run parity:tokenizer -- [--random n] [--seed s]      after a build; default 200,000 and 1
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const root = new URL('..', import.meta.url);
const { sharedDir } = await import(new URL('build/test/shared_data.js', root));
const { differences, loadOurs, loadReference, textsOf, tokenizerNames, tokenizerPath } =
  await import(new URL('build/test/native/tokenizer_oracle.js', root));
const { randomTexts } = await import(new URL('build/test/native/tokenizer_texts.js', root));

const { values } = parseArgs({
  options: {
    random: { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
  },
});
for (const name of ['random', 'seed']) {
  if (!/^\d{1,9}$/.test(values[name])) {
    process.stderr.write(`simgpt: expected --${name} to be a whole number >= 0\n`);
    process.exit(2);
  }
}
if (sharedDir === undefined) {
  process.stderr.write('simgpt: expected the folder ../shared (or SIMGPT_SHARED), found none\n');
  process.exit(1);
}

const corpora = [
  ['STS', textsOf(sharedDir, 'sts')],
  ['pairs', textsOf(sharedDir, 'pairs')],
  ['random', randomTexts(Number(values.random), Number(values.seed))],
];
let found = 0;
for (const name of tokenizerNames) {
  const path = tokenizerPath(sharedDir, name);
  const ours = await loadOurs(path);
  const reference = loadReference(readFileSync(path, 'utf8'));
  for (const [corpus, texts] of corpora) {
    const different = await differences(ours, reference, texts);
    found += different.length;
    process.stdout.write(
      `${name}, ${corpus}: ${texts.length} texts, ${different.length} different\n`,
    );
    for (const { text, ours: own, reference: wanted } of different.slice(0, 5)) {
      process.stdout.write(`  ${JSON.stringify(text)}\n    ours ${own}\n    reference ${wanted}\n`);
    }
  }
  await ours.dispose();
}
process.exitCode = found === 0 ? 0 : 1;
