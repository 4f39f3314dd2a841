/** How far two sides are apart, over the texts of one input. */
export interface Agreement {
  readonly lowestCosine: number;
  readonly row: number;
}

/** The lowest cosine between rows of equal index; rows need not be unit. */
export function compareEmbeddings(
  ours: Float32Array,
  theirs: Float32Array,
  rows: number,
): Agreement {
  if (ours.length !== theirs.length || rows === 0 || ours.length % rows !== 0) {
    throw new Error(`expected ${ours.length} values for ${rows} rows, received ${theirs.length}`);
  }
  const width = ours.length / rows;
  let lowestCosine = Infinity;
  let lowestRow = 0;
  for (let row = 0; row < rows; row++) {
    let [dot, a2, b2] = [0, 0, 0];
    for (let i = row * width; i < (row + 1) * width; i++) {
      const [a, b] = [ours[i]!, theirs[i]!];
      dot += a * b;
      a2 += a * a;
      b2 += b * b;
    }
    const cosine = dot / Math.sqrt(a2 * b2);
    // Not a number compares false with everything: it must count as the worst, not as fine.
    if (!(cosine >= lowestCosine)) {
      [lowestCosine, lowestRow] = [cosine, row];
    }
  }
  return { lowestCosine, row: lowestRow };
}

/** Fails the bench unless every text has a cosine of at least 1 - 1e-4. */
export function requireAgreement(
  peer: string,
  ours: Float32Array,
  theirs: Float32Array,
  rows: number,
): Agreement {
  const agreement = compareEmbeddings(ours, theirs, rows);
  if (!(agreement.lowestCosine >= 1 - 1e-4)) {
    throw new Error(
      `expected cosine >= 0.9999 with ${peer} for every text, ` +
        `received ${agreement.lowestCosine} at text ${agreement.row}`,
    );
  }
  return agreement;
}
