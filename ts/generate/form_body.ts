import { randomBytes } from 'node:crypto';

/** A form as it is sent: its files are streamed, so that an upload is in memory once. */
export interface FormBody {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
}

/** `multipart/form-data` (RFC 7578) with its length told beforehand. */
export function encodeForm(form: FormData): FormBody {
  const boundary = `simgpt-${randomBytes(18).toString('hex')}`;
  const parts: (Buffer | Blob)[] = [];
  for (const [name, value] of form) {
    const file = typeof value === 'string' ? undefined : value;
    const fileName = file === undefined ? '' : `; filename="${quoted(file.name)}"`;
    const type = file === undefined ? '' : 'Content-Type: application/octet-stream\r\n';
    const disposition = `Content-Disposition: form-data; name="${quoted(name)}"${fileName}\r\n`;
    parts.push(Buffer.from(`--${boundary}\r\n${disposition}${type}\r\n`));
    parts.push(typeof value === 'string' ? Buffer.from(value) : value, Buffer.from('\r\n'));
  }
  parts.push(Buffer.from(`--${boundary}--\r\n`));
  const length = parts.reduce(
    (sum, part) => sum + (part instanceof Blob ? part.size : part.length),
    0,
  );
  return {
    headers: {
      'content-type': `multipart/form-data; boundary=${boundary}`,
      'content-length': String(length),
    },
    body: bytesOf(parts),
  };
}

function quoted(text: string): string {
  return text.replaceAll('"', '%22').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

async function* bytesOf(parts: readonly (Buffer | Blob)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Blob) yield* part.stream();
    else yield part;
  }
}
