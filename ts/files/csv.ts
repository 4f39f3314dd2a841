// What a spreadsheet would run when it opens the file.
const formula = /^\s*[=+\-@]|^[\t\r\n]/;

/** Whether a spreadsheet would take the text for a formula. */
export function isFormula(text: string): boolean {
  return formula.test(text);
}

/** One CSV field (RFC 4180), its text as it is: for programs, not for spreadsheets. */
export function csvText(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * One CSV field (RFC 4180). Text that a spreadsheet would take for a formula gets a leading `'`;
 * numbers stay numbers.
 */
export function csvField(value: string | number | null): string {
  if (typeof value !== 'string') {
    return value === null ? '' : String(value);
  }
  return csvText(isFormula(value) ? `'${value}` : value);
}

/** Fields joined by commas, with the line end. */
export function csvLine(values: readonly (string | number | null)[]): string {
  return `${values.map(csvField).join(',')}\n`;
}
