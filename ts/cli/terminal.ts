// ESC sequences: OSC/DCS/APC/PM/SOS strings up to BEL or ST, CSI sequences, and two-byte escapes,
// in their 7-bit and 8-bit forms.
const escapeSequence =
  // oxlint-disable-next-line no-control-regex -- control bytes are what this removes
  /(?:\u001b[\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\u0007\u001b\u009c\n]*(?:\u0007|\u001b\\|\u009c)?|(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[ -/]*[0-~]?/g;

// C0 and C1 controls except tab and newline, line separators, and the marks that reorder text.
const controls =
  // oxlint-disable-next-line no-control-regex -- control bytes are what this removes
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

const loneSurrogates = /\p{Surrogate}/gu;

/** Untrusted text made safe to print: no escape sequence, control byte or reordering mark is left. */
export function forTerminal(text: string): string {
  return text.replace(escapeSequence, '').replace(controls, '').replace(loneSurrogates, '\ufffd');
}

/** The same on one line of at most `maxChars` characters, for tables and messages. */
export function forTerminalLine(text: string, maxChars: number = 200): string {
  const line = Array.from(forTerminal(text).replace(/\s+/g, ' ').trim());
  return line.length <= maxChars ? line.join('') : `${line.slice(0, maxChars - 1).join('')}…`;
}
