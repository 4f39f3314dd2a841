import { join } from 'node:path';

import { SimgptError } from '../errors.js';
import { writeFileAtomic } from '../files/atomic.js';
import type { LoopOutcome } from './loop.js';
import { modelCard } from './model_card.js';
import type { Prepared } from './prepare.js';
import { trainingReport } from './report_page.js';
import { evaluateRun } from './run_evaluation.js';
import type { RunEvaluation } from './run_evaluation.js';
import { removeTemporaries } from './run_folder.js';
import type { RunFolder } from './run_folder.js';

export interface FinishOptions {
  readonly folder: RunFolder;
  readonly prepared: Prepared;
  readonly seed: number;
  readonly outcome: LoopOutcome;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Scores the selected model and the untouched one, then writes tables, model card and report. */
export async function finishRun(options: FinishOptions): Promise<RunEvaluation> {
  const { folder, prepared, seed, outcome, signal } = options;
  const evaluation = await evaluateRun({ ...options, model: folder.model }).catch(
    (error: unknown) => {
      throw signal?.aborted === true ? interrupted(signal.reason) : error;
    },
  );
  const write = (name: string, text: string) => writeFileAtomic(join(folder.path, name), text);
  await removeTemporaries(folder.model);
  await write('evaluation.json', `${JSON.stringify(evaluation)}\n`);
  const card = modelCard({ prepared, seed, outcome, evaluation });
  await write('card.md', card);
  await writeFileAtomic(join(folder.model, 'README.md'), card);
  await write('report.html', await trainingReport({ folder, prepared, seed, outcome, evaluation }));
  return evaluation;
}

function interrupted(reason: unknown): SimgptError {
  const why = reason instanceof Error ? `: ${reason.message}` : '';
  return new SimgptError(
    'cancelled',
    `stopped while the selected model is scored${why}; the same command goes on from there`,
    { cause: reason },
  );
}
