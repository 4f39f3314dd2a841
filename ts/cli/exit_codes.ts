/** What the process tells its caller; the numbers never change meaning. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Done, with rows that failed or went to the quarantine file. */
  partial: 3,
  /** A gate or a `verify` was not met. */
  notMet: 4,
  budget: 5,
  interrupted: 130,
  terminated: 143,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
