import type { RunEvent } from '../train/train.js';
import { jsonForTerminal } from './print.js';
import { createProgress } from './progress.js';
import { forTerminalLine } from './terminal.js';

/** Shows a run as it goes: a bar on a terminal, lines elsewhere, every event as JSON on stdout. */
export interface TrainingDisplay {
  readonly show: (event: RunEvent) => void;
  readonly stop: () => void;
}

export function showTraining(json: boolean): TrainingDisplay {
  if (json) {
    return {
      show: (event) => process.stdout.write(`${jsonForTerminal(event)}\n`),
      stop: () => {},
    };
  }
  const progress = createProgress('step');
  const teaching = createProgress('teacher: text');
  let totalSteps = 0;
  return {
    show: (event) => {
      if (event.kind === 'teacher') {
        teaching.update(event.done, event.total);
        if (event.done === event.total) teaching.stop();
      }
      if (event.kind === 'run') ({ totalSteps } = event);
      if (event.kind === 'step') {
        progress.update(event.step, totalSteps, `loss ${event.loss.toFixed(4)}`);
      }
      const line = sentence(event);
      if (line !== undefined) {
        progress.stop();
        process.stderr.write(`${line}\n`);
      }
    },
    stop: () => {
      teaching.stop();
      progress.stop();
    },
  };
}

function sentence(event: RunEvent): string | undefined {
  switch (event.kind) {
    case 'data': {
      const { used, read, bad, duplicates, dropped } = event;
      return (
        `data: ${used} of ${read} records; ${bad} bad, ${duplicates} duplicates, ` +
        `${dropped} left out`
      );
    }
    case 'overlap': {
      const { examples, overlapping, sets } = event.report;
      const found = sets
        .filter(({ exact, near }) => exact + near > 0)
        .map(({ name, exact, near }) => `${forTerminalLine(name)} ${exact} exact, ${near} near`);
      return (
        `overlap: ${overlapping} of ${examples} records share a text with ` +
        `${sets.length} evaluation sets${found.length === 0 ? '' : `: ${found.join('; ')}`}`
      );
    }
    case 'run':
      return (
        `seed ${event.seed}: ${event.totalSteps} steps, ${event.stepsPerEpoch} an epoch, ` +
        `in ${forTerminalLine(event.folder, 1000)}`
      );
    case 'resumed':
      return `goes on after step ${event.step}`;
    case 'evaluation': {
      const scores = Object.entries(event.scores).map(
        ([name, rho]) => `${forTerminalLine(name)} ${(100 * rho).toFixed(2)}`,
      );
      return `step ${event.step}: ${scores.join(', ')}${event.selected ? ', the best so far' : ''}`;
    }
    case 'teacher':
      return event.done === event.total
        ? `the teacher has embedded ${event.total} texts`
        : undefined;
    case 'alreadyDone':
      return `seed ${event.seed} is done already: ${forTerminalLine(event.folder, 1000)}`;
    case 'step':
    case 'timing':
  }
  return undefined;
}
