import type { RunOverlap } from '../train/overlap_scan.js';
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
  const bars = {
    reading: createProgress('record'),
    teacher: createProgress('teacher: text'),
    step: createProgress('step'),
    before: createProgress('test sets, the model before training: text'),
    after: createProgress('test sets, the selected model: text'),
  };
  const stop = () => Object.values(bars).forEach((bar) => bar.stop());
  let totalSteps = 0;
  const advance = (event: RunEvent): void => {
    if (event.kind === 'run') ({ totalSteps } = event);
    if (event.kind === 'reading') bars.reading.update(event.records);
    if (event.kind === 'teacher') bars.teacher.update(event.done, event.total);
    if (event.kind === 'step') {
      bars.step.update(event.step, totalSteps, `loss ${event.loss.toFixed(4)}`);
    }
    if (event.kind === 'scoring') {
      if (event.done === event.total) bars[event.model].stop();
      else bars[event.model].update(event.done, event.total);
    }
  };
  return {
    show: (event) => {
      advance(event);
      const line = sentence(event);
      if (line !== undefined) {
        stop();
        process.stderr.write(`${line}\n`);
      }
    },
    stop,
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
    case 'overlap':
      return [overlapFound(event.report), ...notCompared(event.report)].join('\n');
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
    case 'reading':
    case 'step':
    case 'scoring':
    case 'timing':
  }
  return undefined;
}

function overlapFound({ examples, overlapping, sets }: RunOverlap): string {
  if (sets.length === 0) return 'overlap: compared with no evaluation set';
  const names = sets.map(({ name }) => forTerminalLine(name)).join(', ');
  const found = sets
    .filter(({ exact, near }) => exact + near > 0)
    .map(({ name, exact, near }) => `${forTerminalLine(name)} ${exact} exact, ${near} near`);
  return (
    `overlap: ${overlapping} of ${examples} records share a text with ${sets.length} evaluation ` +
    `sets (${names})${found.length === 0 ? '' : `: ${found.join('; ')}`}`
  );
}

/** The test sets that nobody looked at: what is not said is taken for clean. */
function notCompared({ notCompared: left }: RunOverlap): readonly string[] {
  const missing = left.filter(({ problem }) => problem === null).map(({ name }) => name);
  const damaged = left.flatMap(({ name, problem }) =>
    problem === null ? [] : `overlap: not compared with ${name}: ${forTerminalLine(problem, 1000)}`,
  );
  if (missing.length === 0) return damaged;
  const names = missing.join(', ');
  const how = '--test FOLDER names them, or compare by simgpt data overlap';
  return [...damaged, `overlap: not compared with the STS test sets ${names}: ${how}`];
}
