import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** The distinct sentences of the STS sets, as pack.sh packed them. */
export function stsTexts(root) {
  const packed = readFileSync(join(root, 'sts.tsv.gz'));
  const rows = gunzipSync(packed).toString('utf8').trimEnd().split('\n');
  const columns = rows.map((row) => row.split('\t'));
  return [...new Set(columns.flatMap((fields) => fields.slice(-2)))];
}
