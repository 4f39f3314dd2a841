import { Bench } from 'tinybench';
import { median, quantile, sum } from './statistics.js';

/** What one call of a side took, as the side itself measured it. */
export interface Timing {
  readonly seconds: number;
  /** Processor time of the whole process, all threads. */
  readonly cpuSeconds?: number;
  /** Most memory the side's process ever held. */
  readonly peakBytes?: number;
}

/** One contestant: the same work on every side. A call without a Timing is timed from outside. */
export interface Contestant {
  readonly name: string;
  readonly call: () => Promise<Timing | void> | Timing | void;
}

export interface Samples {
  readonly name: string;
  /** In the order measured, two a round. */
  readonly seconds: readonly number[];
  readonly cpuSeconds: readonly number[];
  readonly peakBytes: number | undefined;
}

export interface RoundOptions {
  /** At least 1; each side runs twice in each. */
  readonly rounds: number;
  /** Untimed calls of each side before the first round. Default 1. */
  readonly warmups?: number;
  readonly onRound?: (round: number) => void;
}

/**
 * Runs the sides A B … B A in every round, so that a slow drift of the machine falls on all alike.
 * tinybench runs and times each turn.
 */
export async function runRounds(
  contestants: readonly Contestant[],
  { rounds, warmups = 1, onRound }: RoundOptions,
): Promise<Samples[]> {
  const samples = contestants.map(({ name }) => ({
    name,
    seconds: [] as number[],
    cpuSeconds: [] as number[],
    peakBytes: undefined as number | undefined,
  }));
  for (const { call } of contestants) {
    for (let i = 0; i < warmups; i++) {
      await call();
    }
  }
  const order = contestants.map((_, side) => side);
  for (let round = 0; round < rounds; round++) {
    for (const side of [...order, ...order.toReversed()]) {
      const { seconds, timing } = await takeTurn(contestants[side]!);
      const own = samples[side]!;
      own.seconds.push(seconds);
      if (timing?.cpuSeconds !== undefined) {
        own.cpuSeconds.push(timing.cpuSeconds);
      }
      if (timing?.peakBytes !== undefined) {
        own.peakBytes = Math.max(own.peakBytes ?? 0, timing.peakBytes);
      }
    }
    onRound?.(round);
  }
  return samples;
}

async function takeTurn({ name, call }: Contestant) {
  const bench = new Bench({ iterations: 1, time: 0, warmup: false, throws: true });
  let timing: Timing | undefined;
  bench.add(name, async () => {
    timing = (await call()) ?? undefined;
    return timing === undefined ? undefined : { overriddenDuration: timing.seconds * 1000 };
  });
  const [task] = await bench.run();
  const result = task?.result;
  if (result === undefined || !('latency' in result)) {
    throw new Error(`expected a timing of ${name}, received ${result?.state}`);
  }
  return { seconds: result.latency.mean / 1000, timing };
}

/** How many times faster `ours` was, round by round: its median and quartiles. */
export interface Ratio {
  readonly median: number;
  readonly quartiles: readonly [number, number];
  /** The same of processor time: what is left of the ratio when other work shares the machine. */
  readonly cpuMedian: number | undefined;
}

export function ratioOf(ours: Samples, peer: Samples): Ratio {
  const wall = pairedRatios(ours.seconds, peer.seconds);
  const cpu = pairedRatios(ours.cpuSeconds, peer.cpuSeconds);
  return {
    median: median(wall),
    quartiles: [quantile(wall, 0.25), quantile(wall, 0.75)],
    cpuMedian: cpu.length === 0 ? undefined : median(cpu),
  };
}

function pairedRatios(ours: readonly number[], peer: readonly number[]): number[] {
  const rounds = Math.min(ours.length, peer.length) / 2;
  return Array.from({ length: Math.floor(rounds) }, (_, round) => {
    const turns = [2 * round, 2 * round + 2] as const;
    return sum(peer.slice(...turns)) / sum(ours.slice(...turns));
  });
}
