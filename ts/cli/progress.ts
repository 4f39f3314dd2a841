import { SingleBar } from 'cli-progress';

/** Tells a person how far a command is, on stderr alone. */
export interface Progress {
  /** `total` may be left out where it is not known. */
  readonly update: (done: number, total?: number) => void;
  /** Clears the line; call it before printing anything else. */
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
    update: (done, total) => {
      if (bar === undefined) {
        const format =
          total === undefined
            ? `${label} {value}`
            : `${label} [{bar}] {value}/{total} {eta_formatted}`;
        bar = new SingleBar({
          format,
          stream: process.stderr,
          clearOnComplete: true,
          hideCursor: true,
        });
        bar.start(total ?? 0, 0);
      }
      bar.update(done);
    },
    stop: () => bar?.stop(),
  };
}

function createLines(label: string): Progress {
  let last = performance.now();
  return {
    update: (done, total) => {
      if (performance.now() - last >= linesApartMs) {
        last = performance.now();
        process.stderr.write(`${label} ${done}${total === undefined ? '' : ` of ${total}`}\n`);
      }
    },
    stop: () => {},
  };
}
