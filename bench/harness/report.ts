import { appendFileSync } from 'node:fs';
import type { BenchOptions } from './options.js';
import { ratioOf } from './rounds.js';
import type { Samples } from './rounds.js';
import { median, quantile } from './statistics.js';

/** A finished case: ours first, each with what one call worked through. */
export interface CaseReport {
  /** As it stands in bench/RESULTS.md. */
  readonly name: string;
  readonly samples: readonly Samples[];
  /** Units of work in one call. */
  readonly units: number;
  readonly unit: string;
  /** Further figures of one side, from its median seconds. */
  readonly extra?: (side: Samples, seconds: number) => string;
  /** The least ratio wanted of each peer, by name. */
  readonly targets?: Readonly<Record<string, number>>;
}

/** Prints a case for reading, and appends its markdown rows where asked. */
export function reportCase(report: CaseReport, options: BenchOptions): void {
  const [ours, ...peers] = report.samples;
  print(`\n${report.name}`);
  for (const side of report.samples) {
    print(`  ${describeSide(side, report)}`);
  }
  for (const peer of peers) {
    const ratio = ratioOf(ours!, peer);
    const [low, high] = ratio.quartiles;
    const target = report.targets?.[peer.name];
    const cpu = ratio.cpuMedian === undefined ? '' : `, processor time ${fixed(ratio.cpuMedian)} x`;
    print(
      `  ratio to ${peer.name}: ${fixed(ratio.median)} x [${fixed(low)}, ${fixed(high)}]${cpu}` +
        (target === undefined
          ? ''
          : `, target ${target} x${ratio.median < target ? ': missed' : ''}`),
    );
  }
  if (options.rowsFile !== undefined) {
    appendFileSync(options.rowsFile, markdownRows(report));
  }
}

function describeSide(side: Samples, { units, unit, extra }: CaseReport): string {
  const seconds = median(side.seconds);
  const parts = [
    `${side.name.padEnd(22)} ${milliseconds(seconds)} median`,
    `p99 ${milliseconds(quantile(side.seconds, 0.99))}`,
    `${rate(units / seconds)} ${unit}/s`,
  ];
  if (extra !== undefined) parts.push(extra(side, seconds));
  if (side.cpuSeconds.length > 0) parts.push(`cpu ${milliseconds(median(side.cpuSeconds))}`);
  if (side.peakBytes !== undefined) parts.push(`peak ${mebibytes(side.peakBytes)}`);
  return parts.join(', ');
}

// | case | ours | peer | its rate | ratio (quartiles) | of processor time | p99 ours | peak, ours / peer |
function markdownRows(report: CaseReport): string {
  const { samples, units, unit, name } = report;
  const ours = samples[0]!;
  const speed = (side: Samples) => `${rate(units / median(side.seconds))} ${unit}/s`;
  const p99 = milliseconds(quantile(ours.seconds, 0.99));
  if (samples.length === 1) {
    return `| ${name} | ${speed(ours)} | - | - | - | - | ${p99} | ${mebibytes(ours.peakBytes)} |\n`;
  }
  return samples
    .slice(1)
    .map((peer) => {
      const ratio = ratioOf(ours, peer);
      const quartiles = ratio.quartiles.map(fixed).join('-');
      const cpu = ratio.cpuMedian === undefined ? '' : fixed(ratio.cpuMedian);
      const peaks = [ours, peer].map(({ peakBytes }) => mebibytes(peakBytes)).filter(Boolean);
      return (
        `| ${name} | ${speed(ours)} | ${peer.name} | ${speed(peer)} ` +
        `| **${fixed(ratio.median)}** (${quartiles}) | ${cpu} | ${p99} | ${peaks.join(' / ')} |\n`
      );
    })
    .join('');
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function fixed(value: number): string {
  return value.toFixed(2);
}

function mebibytes(bytes: number | undefined): string {
  return bytes === undefined ? '' : `${Math.round(bytes / 2 ** 20)} MiB`;
}

function milliseconds(seconds: number): string {
  return seconds >= 10 ? `${seconds.toFixed(1)} s` : `${(seconds * 1000).toFixed(1)} ms`;
}

function rate(value: number): string {
  return value >= 1e6
    ? `${(value / 1e6).toFixed(2)} M`
    : value >= 1e4
      ? `${(value / 1e3).toFixed(1)} k`
      : value.toFixed(value >= 100 ? 0 : 1);
}
