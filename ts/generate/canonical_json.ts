import { createHash } from 'node:crypto';

/**
 * JSON with sorted keys and no spaces: equal values give equal bytes, whatever order their keys were
 * written in. Members that are undefined are left out. Throws TypeError for what JSON cannot hold.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(canonicalJson).join(',')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(',')}}`;
  }
  const scalar = typeof value === 'string' || typeof value === 'boolean' || value === null;
  if (!scalar && !(typeof value === 'number' && Number.isFinite(value))) {
    throw new TypeError(`expected a JSON value, received ${typeof value}`);
  }
  return JSON.stringify(value);
}

/** sha256 of the canonical form, in hexadecimal. */
export function canonicalHash(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex');
}
