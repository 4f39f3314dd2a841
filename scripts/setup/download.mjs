// Wheels come through pip, so that its index, proxy and certificate settings are obeyed.
import { readdir, stat } from 'node:fs/promises';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isPinned } from './archive.mjs';
import { createProgress } from './progress.mjs';
import { run, setupError } from './run.mjs';

const platforms = [
  'manylinux_2_28_x86_64',
  'manylinux_2_25_x86_64',
  'manylinux_2_17_x86_64',
  'manylinux2014_x86_64',
  'manylinux2010_x86_64',
];

/**
 * Fetches the pinned wheels that `dir` lacks. What is complete stays, so repeating resumes; what
 * does not match its pin is removed and fetched again.
 * @param {readonly import('./pins.mjs').Wheel[]} wheels
 * @param {string} dir
 */
export async function downloadWheels(wheels, dir) {
  await mkdir(dir, { recursive: true });
  const lacking = [];
  for (const wheel of wheels) {
    const path = join(dir, wheel.file);
    if (!(await isPinned(path, wheel))) {
      await rm(path, { force: true });
      lacking.push(wheel);
    }
  }
  if (lacking.length === 0) {
    return;
  }
  const total = lacking.reduce((sum, wheel) => sum + wheel.size, 0);
  const progress = createProgress('download', total);
  // pip shows no progress in a pipe: the bytes in its own temporary folder are counted instead.
  const temporary = join(dir, 'pip');
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  const before = await folderBytes(dir);
  const timer = setInterval(
    () => void folderBytes(dir).then((bytes) => progress.update(bytes - before)),
    300,
  );
  try {
    await pipDownload(lacking, dir, temporary);
  } catch (error) {
    progress.clear();
    throw error;
  } finally {
    clearInterval(timer);
    await rm(temporary, { recursive: true, force: true });
  }
  progress.done();
  const names = await readdir(dir);
  const absent = wheels.filter((wheel) => !names.includes(wheel.file));
  if (absent.length > 0) {
    const files = absent.map((wheel) => wheel.file).join(', ');
    throw setupError(`expected pip to fetch ${files}, received other files of that release`);
  }
}

async function pipDownload(wheels, dir, temporary) {
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--no-cache-dir'];
  args.push('--python-version', '3.12', '--implementation', 'cp', '--abi', 'cp312');
  args.push('--abi', 'none');
  args.push(...platforms.flatMap((platform) => ['--platform', platform]));
  args.push('-d', dir, ...wheels.map((wheel) => wheel.requirement));
  const env = { ...process.env, TMPDIR: temporary, PIP_DISABLE_PIP_VERSION_CHECK: '1' };
  const { code, output } = await run('python3', args, { env });
  if (code !== 0) {
    const reason = output
      .trim()
      .split('\n')
      .filter((line) => /error|warning/i.test(line));
    throw setupError(
      'expected pip to fetch ' +
        `${wheels.map((wheel) => wheel.requirement).join(', ')}, received an error ` +
        '(see it below; pip obeys HTTPS_PROXY, PIP_INDEX_URL and pip.conf). ' +
        'Without a network, set SIMGPT_LIBTORCH to a LibTorch folder',
      (reason.length > 0 ? reason : [output.trim()]).slice(-6).join('\n'),
    );
  }
}

async function folderBytes(dir) {
  let bytes = 0;
  for (const entry of await readdir(dir, { recursive: true }).catch(() => [])) {
    const info = await stat(join(dir, entry)).catch(() => undefined);
    bytes += info?.isFile() ? info.size : 0;
  }
  return bytes;
}
