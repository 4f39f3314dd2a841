/** Every failure that is not misuse carries one of these codes; the list only grows. */
export const errorCodes = [
  'addonMissing',
  'cancelled',
  'dataInvalid',
  'deviceUnavailable',
  'disposed',
  'downloadFailed',
  'fileInvalid',
  'fileNotFound',
  'ioFailed',
  'modelInvalid',
  'nativeFailure',
  'offline',
  'outOfMemory',
  'outputExists',
  'providerFailed',
  'selfCheckFailed',
  'tokenizerInvalid',
  'toolMissing',
  'trainingDiverged',
  'unsupported',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/**
 * The one error class of this package. Misuse (a wrong type, a value out of range) is a `TypeError`
 * or `RangeError`; everything else is a `SimgptError` whose `code` is stable across releases.
 */
export class SimgptError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'SimgptError';
    this.code = code;
  }
}
