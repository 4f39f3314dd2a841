/** The seven tasks in the order of every published table. */
export const stsTaskNames = ['sts12', 'sts13', 'sts14', 'sts15', 'sts16', 'stsb', 'sickr'] as const;

export type StsTaskName = (typeof stsTaskNames)[number];

/**
 * Which rows count and how scores are rounded (METHODS 11.2). `mteb`: all 9,927 SICK-R pairs, text
 * as stored, mean of unrounded scores. `senteval`, the protocol of the SimCSE family: the 4,927
 * SICK-R test pairs, white space split and re-joined, mean of scores rounded to two decimals.
 */
export type StsProtocol = 'mteb' | 'senteval';

export const stsProtocols: readonly StsProtocol[] = ['mteb', 'senteval'];

export interface StsTask {
  /** As printed. */
  readonly title: string;
  /** Pairs that each protocol must find. */
  readonly pairs: Readonly<Record<StsProtocol, number>>;
  /** The folder of the original release under SentEval's `STS`, or `SICK` beside it. */
  readonly sentEvalFolder: string;
}

export const stsTasks: Readonly<Record<StsTaskName, StsTask>> = {
  sts12: { title: 'STS12', pairs: same(3108), sentEvalFolder: 'STS12-en-test' },
  sts13: { title: 'STS13', pairs: same(1500), sentEvalFolder: 'STS13-en-test' },
  sts14: { title: 'STS14', pairs: same(3750), sentEvalFolder: 'STS14-en-test' },
  sts15: { title: 'STS15', pairs: same(3000), sentEvalFolder: 'STS15-en-test' },
  sts16: { title: 'STS16', pairs: same(1186), sentEvalFolder: 'STS16-en-test' },
  stsb: { title: 'STS-B', pairs: same(1379), sentEvalFolder: 'STSBenchmark' },
  sickr: {
    title: 'SICK-R',
    pairs: { mteb: 9927, senteval: 4927 },
    sentEvalFolder: 'SICK',
  },
};

function same(pairs: number): Record<StsProtocol, number> {
  return { mteb: pairs, senteval: pairs };
}
