/** A whole number as people read it. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Columns of one width, numbers from column `firstNumber` on to the right. */
export function table(rows: readonly (readonly string[])[], firstNumber: number): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows.map((row) =>
    row
      .map((cell, at) => (at < firstNumber ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ')
      .trimEnd(),
  );
}
