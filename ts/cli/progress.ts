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
  return {
    update: (done, total, note = '') => {
      if (bar === undefined) {
        const format =
          total === undefined
            ? `${label} {value} {note}`
            : `${label} [{bar}] {value}/{total} {eta_formatted} {note}`;
        bar = new SingleBar({
          format,
          stream: process.stderr,
          clearOnComplete: true,
          hideCursor: true,
        });
        bar.start(total ?? 0, 0, { note });
      }
      bar.update(done, { note });
    },
    stop: () => {
      bar?.stop();
      bar = undefined;
    },
  };
}

function createLines(label: string): Progress {
  let last = performance.now();
  return {
    update: (done, total, note) => {
      if (performance.now() - last >= linesApartMs) {
        last = performance.now();
        const all = total === undefined ? '' : ` of ${total}`;
        const after = note === undefined ? '' : `, ${note}`;
        process.stderr.write(`${label} ${done}${all}${after}\n`);
      }
    },
    stop: () => {},
  };
}
