import { SingleBar } from 'cli-progress';

/** Tells a person how far a command is, on stderr alone. */
export interface Progress {
  /** `total` may be left out where it is not known; `note` stands after the numbers. */
  readonly update: (done: number, total?: number, note?: string) => void;
  /** Clears the line; call it before printing anything else. `update` draws it again. */
  readonly stop: () => void;
}

const linesApartMs = 5000;

/** A bar on a terminal, a line every five seconds elsewhere. */
export function createProgress(label: string): Progress {
  return process.stderr.isTTY ? createBar(label) : createLines(label);
}

function createBar(label: string): Progress {
  let bar: SingleBar | undefined;
  const pace = createPace();
  return {
    update: (done, total, note = '') => {
      const left = pace(done, total);
      if (bar === undefined) {
        const format =
          total === undefined
            ? `${label} {value} {note}`
            : `${label} [{bar}] {value}/{total} {left} {note}`;
        bar = new SingleBar({
          format,
          stream: process.stderr,
          clearOnComplete: true,
          hideCursor: true,
        });
        bar.start(total ?? 0, done, { note, left });
      }
      bar.update(done, { note, left });
    },
    stop: () => {
      bar?.stop();
      bar = undefined;
    },
  };
}

function createLines(label: string): Progress {
  let last = performance.now();
  const pace = createPace();
  return {
    update: (done, total, note) => {
      const left = pace(done, total);
      if (performance.now() - last >= linesApartMs) {
        last = performance.now();
        const all = total === undefined ? '' : ` of ${total}`;
        const after = [note ?? '', left].filter((text) => text !== '').map((text) => `, ${text}`);
        process.stderr.write(`${label} ${done}${all}${after.join('')}\n`);
      }
    },
    stop: () => {},
  };
}

/** A look a second, of the last half minute. */
const lookApartMs = 1000;
const mostLooks = 30;

/**
 * Tells how long the rest takes at the pace of the last half minute, wherever the counting began: a
 * run that goes on from step 900 has not done 900 steps in no time. Empty until there is a pace.
 */
export function createPace(
  now: () => number = () => performance.now(),
): (done: number, total: number | undefined) => string {
  let looks: { readonly at: number; readonly done: number }[] = [];
  return (done, total) => {
    const at = now();
    const last = looks.at(-1);
    if (last !== undefined && done < last.done) looks = [];
    const [first] = looks;
    if (last === undefined || at - last.at >= lookApartMs) {
      looks = [...looks, { at, done }].slice(-mostLooks);
    }
    const known = total !== undefined && done < total;
    if (first === undefined || !known || done <= first.done || at <= first.at) {
      return '';
    }
    return `${duration(((total - done) * (at - first.at)) / (done - first.done))} left`;
  };
}

function duration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
