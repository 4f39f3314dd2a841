// What set-up says goes to stderr: stdout is for machine output only.
const lineEveryMs = 3000;

export function say(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * Bytes done: one line rewritten on a terminal, a line every few seconds in a pipe.
 * @param {string} label
 * @param {number} [total]  bytes, where it is known
 */
export function createProgress(label, total) {
  const started = Date.now();
  let shown = Date.now();
  let latest = 0;
  const text = (done) => {
    if (total === undefined) {
      return `  ${label}: ${megabytes(done)} MB`;
    }
    const percent = Math.floor((100 * done) / Math.max(1, total));
    return `  ${label}: ${megabytes(done)} of ${megabytes(total)} MB (${percent} %)`;
  };
  return {
    update(bytes) {
      // A download is counted twice while it is moved to its place.
      const done = (latest = Math.min(bytes, total ?? bytes));
      const now = Date.now();
      if (now - shown < (process.stderr.isTTY ? 100 : lineEveryMs)) {
        return;
      }
      shown = now;
      process.stderr.write(process.stderr.isTTY ? `\r${text(done)}\u001b[K` : `${text(done)}\n`);
    },
    done() {
      const seconds = ((Date.now() - started) / 1000).toFixed(1);
      const line = `  ${label}: ${megabytes(total ?? latest)} MB in ${seconds} s`;
      process.stderr.write(process.stderr.isTTY ? `\r${line}\u001b[K\n` : `${line}\n`);
    },
    clear() {
      if (process.stderr.isTTY) {
        process.stderr.write('\r\u001b[K');
      }
    },
  };
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
