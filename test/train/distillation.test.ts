import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import type { DistillationLoss } from '#dist/train/loss.js';
import { repoRoot } from '../shared_data.js';
import { computeLossOf } from './loss_case.js';
import type { LossCase } from './loss_case.js';

interface Golden {
  readonly examples: number;
  readonly width: number;
  readonly teacherWidth: number;
  /** Uneven: no example count stands for a count of hard negatives. */
  readonly owner: readonly number[];
  readonly temperature: number;
  readonly teacherTemperature: number;
  /** By target and objective. */
  readonly values: Readonly<Record<string, number>>;
}

const path = join(repoRoot, 'test/golden/distillation_losses.json');
const golden = JSON.parse(await readFile(path, 'utf8')) as Golden;

/** As make_loss_golden.py has them. */
function rows(count: number, width: number, seed: number): Float64Array {
  return Float64Array.from({ length: count * width }, (_, i) => Math.sin(i * 0.7 + seed));
}

function caseOf(target: DistillationLoss['target']): LossCase {
  const { examples, width, owner } = golden;
  const columns = examples + owner.length;
  const [teacherWidth, seed] = target === 'vectors' ? [width, 6] : [golden.teacherWidth, 3];
  const candidates = rows(columns, width, 2);
  return {
    examples,
    width,
    anchors: rows(examples, width, 1),
    positives: candidates.slice(0, examples * width),
    hardNegatives: candidates.slice(examples * width),
    inputs: {
      owner: Int32Array.from(owner),
      teacherScores: rows(1, columns, 5),
      teacherAnchors: Float32Array.from(rows(examples, teacherWidth, seed)),
      teacherCandidates: Float32Array.from(rows(columns, teacherWidth, seed + 1)),
    },
  };
}

describe('distillation equals PyTorch', () => {
  for (const [name, expected] of Object.entries(golden.values)) {
    const [target, objective] = name.split(' ') as [
      NonNullable<DistillationLoss['target']>,
      NonNullable<DistillationLoss['objective']>,
    ];
    const { temperature, teacherTemperature } = golden;
    const softened = objective === 'kl' ? { temperature, teacherTemperature } : {};
    for (const form of ['float64', 'float32', 'fused'] as const) {
      test(`${name}, ${form}`, async () => {
        const loss = { kind: 'distillation', target, objective, ...softened } as const;
        const { value } = await computeLossOf(loss, caseOf(target), form);
        const tolerance = form === 'float64' ? 1e-13 : 1e-6;
        assert.ok(Math.abs(value - expected) <= tolerance, `${value}, PyTorch ${expected}`);
      });
    }
  }
});
