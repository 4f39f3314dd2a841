// A small model to compare ways of training on: three layers of MiniLM, whose parts it keeps as they are.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { exportCheckpoint, readCheckpoint } from '../../dist/index.js';
import { modelName } from './arms.mjs';

const layers = [0, 2, 4];

/** Its folder, written where it is not there yet. */
export async function studentFolder(shared, work) {
  const folder = join(work, 'student');
  if (!existsSync(folder)) {
    const teacher = await readCheckpoint(join(shared, 'models', modelName));
    await exportCheckpoint(teacher, folder, { layers });
  }
  return folder;
}
