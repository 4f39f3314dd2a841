// How many times faster than `tokenizers` 0.23 are texts turned into ids, on one thread?
//
// All sentences of the STS sets, WordPiece (bert-base-uncased) and byte-level BPE (roberta-base).
// Ours is timed from JavaScript strings to packed ids, and from packed texts as the encoder has
// them; the peer from strings to its Encoding objects, before their ids are copied out.
// Targets per thread (PERFORMANCE 10): 10 times and 40 MB/s; BPE 8 times and 30 MB/s.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Tokenizer } from 'tokenizers';
import { packTexts } from '#dist/encoder/pack.js';
import { native } from '#dist/native.js';
import { benchOptions } from './harness/options.js';
import { sharedDir } from './harness/places.js';
import { fixed, reportCase } from './harness/report.js';
import { runRounds } from './harness/rounds.js';
import type { Contestant, Samples, Timing } from './harness/rounds.js';

// Read by the peer when it is first called.
process.env['TOKENIZERS_PARALLELISM'] = 'false';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const cases = [
  { kind: 'WordPiece', name: 'bert-base-uncased', target: 10 },
  { kind: 'BPE', name: 'roberta-base', target: 8 },
];

const options = benchOptions();
const rounds = options.rounds ?? (options.quick ? 2 : 10);
const texts = stsSentences().slice(0, options.quick ? 4000 : undefined);
for (const each of cases) await measure(each.kind, each.name, each.target);

function stsSentences(): string[] {
  const folder = join(sharedDir(), 'data/sts');
  return readdirSync(folder)
    .sort()
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n').slice(1))
    .filter((line) => line !== '')
    .flatMap((line) => line.split('\t').slice(3, 5));
}

// Each side starts without the others' garbage: the peer leaves an object a text.
function contestant(name: string, work: () => Promise<void>): Contestant {
  const call = async (): Promise<Timing> => {
    collectGarbage();
    await setImmediate();
    const start = performance.now();
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    return { seconds: (performance.now() - start) / 1e3, cpuSeconds: (user + system) / 1e6 };
  };
  return { name, call };
}

async function measure(kind: string, name: string, target: number): Promise<void> {
  const path = join(sharedDir(), 'data/tokenizers', name, 'tokenizer.json');
  const ours = await native().loadTokenizer({ kind: 'tokenizerJson', path }, 0);
  const peer = Tokenizer.fromFile(path);
  peer.disableTruncation();
  peer.disablePadding();
  const ready = packTexts(texts);
  const tokens = await ours.tokenize(ready.bytes, ready.offsets, { threads: 1 }, 0);
  for (const [i, encoding] of (await peer.encodeBatch(texts)).entries()) {
    const [begin, end] = [tokens.cuSeqlens[i]!, tokens.cuSeqlens[i + 1]!];
    const ids = encoding.getIds();
    if (ids.length !== end - begin || ids.some((id, k) => id !== tokens.tokenIds[begin + k])) {
      throw new Error(`expected equal ids, received others for ${JSON.stringify(texts[i])}`);
    }
  }
  const [fromStrings, fromPacked, reference] = await runRounds(
    [
      contestant('ours', async () => {
        const { bytes, offsets } = packTexts(texts);
        await ours.tokenize(bytes, offsets, { threads: 1 }, 0);
      }),
      contestant('ours', async () => {
        await ours.tokenize(ready.bytes, ready.offsets, { threads: 1 }, 0);
      }),
      contestant('tokenizers', async () => {
        await peer.encodeBatch(texts);
      }),
    ],
    { rounds, warmups: 2 },
  );
  const megabytes = ready.bytes.length / 1e6;
  const extra = (_: Samples, seconds: number): string =>
    `${fixed(megabytes / seconds)} MB/s, ${fixed(tokens.tokenIds.length / seconds / 1e6)} Mtok/s`;
  const common = { units: texts.length, unit: 'texts', extra, targets: { tokenizers: target } };
  const title = `tokenizer ${kind} (${name}), ${texts.length} texts, 1 thread`;
  reportCase({ ...common, name: title, samples: [fromStrings!, reference!] }, options);
  reportCase(
    { ...common, name: `${title}, texts packed before`, samples: [fromPacked!, reference!] },
    options,
  );
  await ours.dispose();
}
