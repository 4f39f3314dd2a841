import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
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
