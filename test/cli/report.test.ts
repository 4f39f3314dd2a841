import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'parse5';
import type { DefaultTreeAdapterMap } from 'parse5';

import { temporaryFolder } from '../temporary_folder.js';
import { goldenModel } from './golden_model.js';
import { runSimgpt } from './run_simgpt.js';

const hostile = [
  'The boat "><img src=x onerror=alert(1)> leaves the old harbour at noon today.',
  'Seven </script><script>alert(1)</script> birds sat on the long garden wall.',
  "She reads ' onmouseover='alert(1) a letter in the quiet kitchen every evening.",
  '=HYPERLINK("http://x.test") is what the small sign on the red door says.',
  'A man \u001b]0;title\u0007\u001b[2J walks his dog along the river before work.',
  'The \u202egnp.exe\u202c train was late because of heavy snow in the mountains.',
];

test('a run of hostile texts gives a page that runs nothing, the same bytes each time', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(
    join(cwd, 'in.jsonl'),
    hostile.map((text) => `${JSON.stringify({ text })}\n`).join(''),
  );
  const generate = ['generate', 'simgpt', '--input', 'in.jsonl', '--provider', 'rehearsal'];
  const made = await runSimgpt([...generate, '--output', 'run', '--source', '<b>me</b>'], { cwd });
  assert.ok(made.code === 0 || made.code === 3, made.stderr);
  const read = (name: string): Promise<string> => readFile(join(cwd, 'run', name), 'utf8');
  const before = [await read('report.html'), await read('card.md')];
  assert.ok(before[0]!.includes('rehearsal'));

  const again = await runSimgpt(['report', 'run', '--json'], { cwd });
  assert.deepEqual(JSON.parse(again.stdout), { files: ['card.md', 'report.html'] });
  assert.deepEqual([await read('report.html'), await read('card.md')], before);

  const measured = await runSimgpt(['report', 'run', '--model', goldenModel], { cwd });
  // A plain folder states no pooling: the report does not guess one.
  assert.equal(measured.code, 1);
  assert.match(measured.stderr, /pooling/);
  assert.deepEqual(await read('report.html'), before[0]);

  for (const text of before) {
    // oxlint-disable-next-line no-control-regex -- control bytes are what must be absent
    assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  }
  const { elements, attributes } = harmful(before[0]!);
  assert.deepEqual(elements, ['script type=application/json']);
  assert.deepEqual(attributes, []);
  assert.ok(before[0]!.includes('&lt;script&gt;alert(1)'));
});

test('a card tells licence, prices and what of evaluation sets is in the rows', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'in.txt'), 'The ferry leaves at noon.\nA dog sleeps on the porch.\n');
  const generate = ['generate', 'simgpt', '--input', 'in.txt', '--provider', 'rehearsal'];
  const licence = ['--licence', 'My own: "terms"\n---\nevil: 1'];
  const prices = {
    currency: 'EUR',
    models: { rehearsal: { inputPerMillionTokens: 1e6, outputPerMillionTokens: 0 } },
  };
  const asked = [...generate, '--output', 'run', ...licence, '--price-table', 'prices.json'];
  const early = await runSimgpt(asked, { cwd });
  assert.equal(early.code, 1);
  assert.match(early.stderr, /prices.json/);
  assert.deepEqual((await readdir(cwd)).sort(), ['in.txt']);
  await writeFile(join(cwd, 'prices.json'), JSON.stringify(prices));
  const made = await runSimgpt(asked, { cwd });
  assert.ok(made.code === 0 || made.code === 3, made.stderr);
  assert.match(made.stderr, /money: [1-9]\d*\.00 EUR for rehearsal/);
  const card = (): Promise<string> => readFile(join(cwd, 'run/card.md'), 'utf8');
  const [, yaml] = (await card()).split('---\n');
  assert.match(yaml!, /^license: other\nlicense_name: "My own: \\"terms\\" --- evil: 1"$/m);
  assert.match(yaml!, /^size_categories: \["n<1K"\]$/m);
  assert.match(await card(), /Not looked for here/);

  const data = await readFile(join(cwd, 'run/data.jsonl'));
  const scan = {
    files: [{ name: 'x', sha256: createHash('sha256').update(data).digest('hex') }],
    threshold: 0.8,
    ngram: 5,
    examples: 2,
    overlapping: 1,
    sets: [{ name: 'sts|12', texts: 9, exact: 1, near: 0, examples: 1 }],
  };
  await writeFile(join(cwd, 'overlap.json'), JSON.stringify(scan));
  const args = ['report', 'run', '--price-table', 'prices.json', '--overlap', 'overlap.json'];
  const done = await runSimgpt(args, { cwd });
  assert.equal(done.code, 0, done.stderr);
  assert.match(await card(), /At the given prices [1-9]\d*\.00 EUR for `rehearsal`/);
  assert.match(await card(), /^1 of 2 rows share a text with a set/m);
  assert.match(await card(), /^\| sts12 \| 1 \| 0 \| 1 \|$/m);
  const page = await readFile(join(cwd, 'run/report.html'), 'utf8');
  assert.match(page, /1 of 2 rows share a text with a set/);

  const other = { ...scan, files: [{ name: 'x', sha256: '0'.repeat(64) }] };
  await writeFile(join(cwd, 'overlap.json'), JSON.stringify(other));
  const refused = await runSimgpt(args, { cwd });
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /expected a scan of this run's data.jsonl alone/);
});

test('an encoder adds similarities, topics and near duplicates, and caps a cluster of one meaning', async (t) => {
  const cwd = await temporaryFolder(t);
  const said = ['The boat leaves the harbour at noon.', 'At noon the boat leaves the harbour.'];
  const others = ['A dog sleeps on the porch.', 'She reads a letter.', 'Snow fell all night.'];
  await writeFile(join(cwd, 'in.txt'), [...said, ...others].map((text) => `${text}\n`).join(''));
  const generate = ['generate', 'simgpt', '--input', 'in.txt', '--provider', 'rehearsal'];
  const made = await runSimgpt([...generate, '--output', 'run', '--model', 'simgpt-small'], {
    cwd,
  });
  assert.ok(made.code === 0 || made.code === 3, made.stderr);
  const page = await readFile(join(cwd, 'run/report.html'), 'utf8');
  assert.match(page, /Cosine by simgpt-small, [345] rows/);
  assert.match(page, /<dt>near duplicates<\/dt><dd>1<\/dd>/);
  assert.match(page, /k-means on their embeddings, k 2, seed 0/);

  const cap = ['data', 'cap', 'run/data.jsonl', '--per', 'meaning'];
  const capped = await runSimgpt([...cap, '--max-share', '0.25', '--output', 'c.jsonl'], { cwd });
  assert.equal(capped.code, 0, capped.stderr);
  const kept = await readFile(join(cwd, 'c.jsonl'), 'utf8');
  assert.ok(kept.includes(said[0]!) && !kept.includes(`"anchor":"${said[1]!}"`));
});

test('a report that cannot be written says so after what was bought, and is written later', async (t) => {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'in.txt'), 'The ferry leaves at noon.\n');
  const generate = ['generate', 'simgpt', '--input', 'in.txt', '--provider', 'rehearsal'];
  const made = await runSimgpt([...generate, '--output', 'run', '--model', './none'], { cwd });
  assert.equal(made.code, 1);
  assert.match(made.stderr, /1 rows of 1 in run\/data.jsonl[^]*none/);
  assert.doesNotMatch(made.stderr, /to look at/);
  const again = await runSimgpt([...generate, '--output', 'run'], { cwd });
  assert.equal(again.code, 0, again.stderr);
  assert.match(again.stderr, /this run is finished[^]*to look at: run\/report.html/);
});

test('a run that is not finished has no report yet', async (t) => {
  const cwd = await temporaryFolder(t);
  const { code, stderr } = await runSimgpt(['report', 'run'], { cwd });
  assert.equal(code, 1);
  assert.match(stderr, /expected the folder of a run at run, found none/);
});

/** Elements that could run or fetch, and attributes that could. */
function harmful(source: string): { elements: string[]; attributes: string[] } {
  const elements: string[] = [];
  const attributes: string[] = [];
  const visit = (node: DefaultTreeAdapterMap['node']): void => {
    if ('attrs' in node) {
      const named = node.attrs.map(({ name, value }) => `${name}=${value}`);
      if (['script', 'img', 'iframe', 'object', 'link', 'form', 'b'].includes(node.nodeName)) {
        elements.push(
          `${node.nodeName} ${named.filter((one) => !one.startsWith('id=')).join(' ')}`,
        );
      }
      attributes.push(...named.filter((one) => /^(?:on|src|style|href=(?!#section-))/.test(one)));
    }
    if ('childNodes' in node) node.childNodes.forEach(visit);
  };
  visit(parse(source));
  return { elements, attributes };
}
