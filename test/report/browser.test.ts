import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { trainWith } from '#dist/train/train.js';
import { temporaryFolder } from '../temporary_folder.js';
import { openLinear, trainingScene } from '../train/training_scene.js';

const browser = findBrowser();
const skip = browser === undefined ? 'no Chromium' : false;

function findBrowser(): string | undefined {
  return ['chromium-headless-shell', 'chromium', 'google-chrome'].find((name) => {
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  });
}

/** What a page says on the console, what it asks the network for, and whether it was drawn. */
async function opened(path: string, folder: string) {
  const log = join(folder, 'net.json');
  const picture = join(folder, 'page.png');
  const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking'];
  const outputs = ['--enable-logging=stderr', `--log-net-log=${log}`, `--screenshot=${picture}`];
  const profile = `--user-data-dir=${join(folder, 'profile')}`;
  const all = [...args, ...outputs, profile, `file://${path}`];
  const { stderr } = await promisify(execFile)(browser!, all, { timeout: 60_000 });
  const asked = (await readFile(log, 'utf8')).matchAll(/"url":"((?:http|ws)s?:[^"]*)"/g);
  return {
    console: stderr.split('\n').filter((line) => line.includes(':CONSOLE')),
    requests: [...new Set(Array.from(asked, ([, url]) => url))],
    pixels: (await readFile(picture)).length,
  };
}

test(
  'a browser draws the report of a run, which says nothing and asks for nothing',
  { skip },
  async (context) => {
    const folder = await temporaryFolder(context);
    const talks = join(folder, 'talks.html');
    await writeFile(talks, '<script>console.log(1)</script><img src="http://127.0.0.1:9/x.png">');
    const heard = await opened(talks, folder);
    assert.equal(heard.console.length, 1, 'what a page says is heard here');
    assert.deepEqual(heard.requests, ['http://127.0.0.1:9/x.png']);
    const { options, output } = await trainingScene(context);
    await trainWith(openLinear, { ...options, maxSteps: 2 });
    const found = await opened(join(output, 'report.html'), folder);
    assert.deepEqual([found.console, found.requests], [[], []]);
    assert.ok(found.pixels > 4 * heard.pixels, 'the page is not blank');
  },
);
