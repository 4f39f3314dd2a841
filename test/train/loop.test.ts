import assert from 'node:assert/strict';
import {
  appendFile,
  mkdir,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';

import { SimgptError } from '#dist/errors.js';
import { runLoop } from '#dist/train/loop.js';
import type { TrainEvent } from '#dist/train/loop.js';
import { openRunFolder } from '#dist/train/run_folder.js';
import { temporaryFolder } from '../temporary_folder.js';
import { evaluatePairs, linearModel, pairBatches } from './linear_model.js';
import { linearSteps, runFiles, runLinear } from './linear_run.js';

const isError = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof SimgptError && error.code === code && message.test(error.message);

test('a run: one line a step, the best model, one checkpoint, no leftovers', async (context) => {
  const path = join(await temporaryFolder(context), 'run');
  const events: TrainEvent[] = [];
  const outcome = await runLinear(path, { onEvent: (event) => events.push(event) });
  const lines = (await readFile(join(path, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  const metrics = lines.map((line) => JSON.parse(line) as Record<string, number>);
  const steps = metrics.filter((line) => line['kind'] === ('step' as unknown));
  assert.deepEqual(
    steps.map(({ step }) => step),
    Array.from({ length: linearSteps }, (_, i) => i + 1),
  );
  assert.ok(steps.at(-1)!['loss']! < 0.7 * steps[0]!['loss']!, 'the model learns');
  const looks = metrics.filter((line) => line['kind'] === ('evaluation' as unknown));
  assert.deepEqual(
    looks.map(({ step }) => step),
    [0, 9, 18, 27, 36, 45, 54, 60],
  );
  const best = looks.slice(1).reduce((a, b) => (b['score']! > a['score']! ? b : a));
  assert.deepEqual(outcome, {
    steps: linearSteps,
    selected: { step: best['step'], score: best['score'] },
    stoppedEarly: false,
  });
  assert.deepEqual((await readdir(path)).sort(), [
    'checkpoints',
    'metrics.jsonl',
    'model',
    'models',
    'run.json',
    'timings.jsonl',
  ]);
  assert.deepEqual(await readdir(join(path, 'checkpoints')), ['step-00000060']);
  assert.deepEqual(await readdir(join(path, 'models')), []);
  assert.equal(events.filter(({ kind }) => kind === 'timing').length, linearSteps);
});

test('T2: stopped after any step or in any evaluation, a run ends with the same bytes', async (context) => {
  const folder = await temporaryFolder(context);
  await runLinear(join(folder, 'whole'));
  const whole = await runFiles(join(folder, 'whole'));
  assert.ok(whole.size === 5 || whole.size === 4, [...whole.keys()].join(' '));
  for (let stopAt = 1; stopAt <= linearSteps; ++stopAt) {
    const path = join(folder, `stopped-${stopAt}`);
    const controller = new AbortController();
    await assert
      .rejects(
        runLinear(path, {
          signal: controller.signal,
          onEvent: (event) => {
            if (event.kind === 'step' && event.step === stopAt)
              controller.abort(new Error('enough'));
          },
        }),
        isError('cancelled', new RegExp(`^stopped after step ${stopAt} of 60: enough; the same`)),
      )
      .catch((error: unknown) => {
        // The last step is the end of the run: only its evaluation can still be stopped.
        if (stopAt !== linearSteps) throw error;
      });
    await runLinear(path);
    assert.deepEqual(await runFiles(path), whole, `stopped after step ${stopAt}`);
  }
});

test('a process that dies between any two things it does loses nothing', async (context) => {
  const folder = await temporaryFolder(context);
  await runLinear(join(folder, 'whole'));
  const whole = await runFiles(join(folder, 'whole'));
  // Without a stop there is no checkpoint but the scheduled ones: what a kill leaves.
  for (const [place, until] of [
    ['accumulate', 3],
    ['accumulate', 33],
    ['update', 8],
    ['update', 59],
    ['saveState', 2],
    ['saveState', 9],
    ['exportModel', 1],
    ['exportModel', 3],
  ] as const) {
    const path = join(folder, `${place}-${until}`);
    let calls = 0;
    const dies = runLinear(path, {
      change: (model) => ({
        ...model,
        [place]: async (...args: never[]) => {
          calls += 1;
          const work = model[place] as (...values: never[]) => Promise<unknown>;
          const result = await work(...args);
          if (calls === until) throw new Error('gone');
          return result;
        },
      }),
    });
    await assert.rejects(dies, /gone/, `${place} ${until}`);
    await runLinear(path);
    assert.deepEqual(await runFiles(path), whole, `${place}, call ${until}`);
  }
});

test('what a crash tears is cut off; what was changed later is refused', async (context) => {
  const path = join(await temporaryFolder(context), 'run');
  const stopAt = async (step: number): Promise<void> => {
    const controller = new AbortController();
    const onEvent = (event: TrainEvent) => {
      if (event.kind === 'step' && event.step === step) controller.abort();
    };
    await assert.rejects(runLinear(path, { signal: controller.signal, onEvent }));
  };
  await stopAt(10);
  await appendFile(join(path, 'metrics.jsonl'), '{"kind":"step","step":11,"lo');
  await appendFile(join(path, 'timings.jsonl'), '{"step":11,"ela');
  await writeFile(join(path, '.model.0123456789ab.tmp'), 'half');
  await writeFile(join(path, 'lock.0123456789ab.tmp'), '');
  await stopAt(20);
  // A checkpoint that the disk damaged is not used: the one before it is.
  const newest = join(path, 'checkpoints/step-00000020/training.safetensors');
  await truncate(newest, 100);
  const events: TrainEvent[] = [];
  await runLinear(path, { onEvent: (event) => events.push(event) });
  assert.deepEqual(events[0], { kind: 'resumed', step: 14 });
  await assert.doesNotReject(readFile(join(path, 'model/weights.json')));
  const timings = (await readFile(join(path, 'timings.jsonl'), 'utf8')).trimEnd().split('\n');
  assert.ok(timings.every((line) => typeof JSON.parse(line) === 'object'));
  assert.deepEqual(
    (await readdir(path)).filter((name) => name.endsWith('.tmp')),
    [],
  );
  const metrics = await readFile(join(path, 'metrics.jsonl'), 'utf8');
  await writeFile(join(path, 'metrics.jsonl'), metrics.replace('"step"', '"stop"'));
  await assert.rejects(
    runLinear(path),
    isError('fileInvalid', /metrics\.jsonl: expected its first \d+ bytes to be those of/),
  );
});

test('T5: NaN stops the run with step, examples and tensor; the last checkpoint is good', async (context) => {
  const path = join(await temporaryFolder(context), 'run');
  let seen = 0;
  const poisoned = runLinear(path, {
    change: (model) => ({
      ...model,
      accumulate: async (batch) => {
        if (++seen === 10) model.poison();
        return model.accumulate(batch);
      },
    }),
  });
  const message =
    /^step 10: expected the gradient of weights to be finite \(examples row-\d+, (row-\d+, ){1,3}row-\d+\); step 7 is saved$/;
  await assert.rejects(poisoned, isError('trainingDiverged', message));
  const report = JSON.parse(await readFile(join(path, 'diverged.json'), 'utf8')) as object;
  assert.deepEqual(Object.keys(report), ['step', 'found', 'exampleIds']);
  const outcome = await runLinear(path);
  assert.equal(outcome.steps, linearSteps);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const other = join(await temporaryFolder(context), 'run');
    const run = runLinear(other, {
      change: (model) => ({
        ...model,
        accumulate: (batch) =>
          batch.step === 2 ? Promise.resolve({ loss: value, parts: {} }) : model.accumulate(batch),
      }),
    });
    await assert.rejects(
      run,
      isError(
        'trainingDiverged',
        /^step 3: expected the loss to be finite, .*; there is no checkpoint yet$/,
      ),
    );
  }
});

test('a failing disk leaves the last checkpoint whole and says so', async (context) => {
  const folder = await temporaryFolder(context);
  await runLinear(join(folder, 'whole'));
  const path = join(folder, 'run');
  let saves = 0;
  const full = runLinear(path, {
    change: (model) => ({
      ...model,
      saveState: async (file) => {
        await model.saveState(file);
        if (++saves === 3) throw new SimgptError('ioFailed', `could not write ${file}: ENOSPC`);
      },
    }),
  });
  await assert.rejects(full, isError('ioFailed', /ENOSPC; step 14 is saved$/));
  await runLinear(path);
  assert.deepEqual(await runFiles(path), await runFiles(join(folder, 'whole')));
});

test('whatever the disk refuses is named, with the last checkpoint', async (context) => {
  const full = Object.assign(new Error('ENOSPC: no space left'), {
    code: 'ENOSPC',
    syscall: 'mkdtemp',
    path: '/models/x',
  });
  const path = join(await temporaryFolder(context), 'run');
  const refused = runLinear(path, {
    change: (model) => ({ ...model, exportModel: () => Promise.reject(full) }),
  });
  const message = /^could not write \/models\/x: ENOSPC; step 7 is saved$/;
  await assert.rejects(refused, isError('ioFailed', message));
  // Not even the rates of a step are lost without a word.
  await rm(join(path, 'timings.jsonl'));
  await mkdir(join(path, 'timings.jsonl'));
  await assert.rejects(runLinear(path), isError('ioFailed', /timings\.jsonl: EISDIR/));
});

test('a checkpoint that cannot be read for now is kept', async (context) => {
  const folder = await temporaryFolder(context);
  await runLinear(join(folder, 'whole'));
  const path = join(folder, 'run');
  const controller = new AbortController();
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'step' && event.step === 10) controller.abort();
  };
  await assert.rejects(runLinear(path, { signal: controller.signal, onEvent }));
  for (const name of ['state.json', 'training.safetensors']) {
    const file = join(path, 'checkpoints/step-00000010', name);
    await rename(file, `${file}.aside`);
    await symlink(name, file);
    await assert.rejects(runLinear(path), isError('ioFailed', /step-00000010.*: ELOOP/));
    await rm(file);
    await rename(`${file}.aside`, file);
  }
  const events: TrainEvent[] = [];
  await runLinear(path, { onEvent: (event) => events.push(event) });
  assert.deepEqual(events[0], { kind: 'resumed', step: 10 });
  assert.deepEqual(await runFiles(path), await runFiles(join(folder, 'whole')));
});

test('early stopping: patience counts evaluations without gain', async (context) => {
  const path = join(await temporaryFolder(context), 'run');
  const scores = [0.1, 0.5, 0.4, 0.5, 0.3, 0.9];
  let looks = 0;
  const outcome = await runLinear(path, {
    evaluateEvery: 5,
    patience: 3,
    evaluate: async (model) => ({ ...(await evaluatePairs(model)), score: scores[looks++]! }),
  });
  assert.deepEqual(outcome, { steps: 20, selected: { step: 5, score: 0.5 }, stoppedEarly: true });
  assert.equal(looks, 5);
});

test('D16: the last step is looked at, unless the released way is asked for', async (context) => {
  const folder = await temporaryFolder(context);
  const looksOf = async (name: string, evaluateEvery: number) => {
    const path = join(folder, name);
    const looks: number[] = [];
    const outcome = await runLinear(path, {
      evaluateLast: false,
      evaluateEvery,
      onEvent: (event) => event.kind === 'evaluation' && looks.push(event.step),
    });
    return { looks, selected: outcome.selected };
  };
  const { looks, selected } = await looksOf('seven', 25);
  assert.deepEqual(looks, [0, 25, 50]);
  assert.ok([25, 50].includes(selected.step));
  // A run that is over before its first look has its last model, whose score nobody knows.
  const none = await looksOf('none', 100);
  assert.deepEqual(none, { looks: [0], selected: { step: linearSteps, score: null } });
});

test('without dev sets the last model is the selected one', async (context) => {
  const path = join(await temporaryFolder(context), 'run');
  const model = linearModel(11);
  const outcome = await runLinear(path, { evaluate: undefined, change: () => model });
  assert.deepEqual(outcome.selected, { step: linearSteps, score: null });
  const weights = await readFile(join(path, 'model/weights.json'), 'utf8');
  assert.deepEqual(JSON.parse(weights), [...model.weights]);
});

test('two processes, one folder: the second is told who has it', async (context) => {
  const path = join(await temporaryFolder(context), 'run');
  await using first = await openRunFolder(path, { a: 1 });
  assert.equal(first.path, path);
  await assert.rejects(openRunFolder(path, { a: 1 }), isError('ioFailed', /held by .*pid \d+/));
});

test('another plan, and a folder of other things, are refused', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'run');
  const plan = { recipe: { learningRate: 0.1, seeds: [1, 2] }, data: [{ bytes: 3 }] };
  await (await openRunFolder(path, plan))[Symbol.asyncDispose]();
  await (await openRunFolder(path, plan))[Symbol.asyncDispose]();
  for (const [other, place] of [
    [
      { ...plan, recipe: { learningRate: 0.2, seeds: [1, 2] } },
      'recipe\\.learningRate was 0\\.1, is 0\\.2 now',
    ],
    [{ ...plan, data: [{ bytes: 4 }] }, 'data\\.0\\.bytes was 3, is 4 now'],
    [{ recipe: plan.recipe }, 'data was .*, is absent now'],
  ] as const) {
    await assert.rejects(openRunFolder(path, other), isError('outputExists', new RegExp(place)));
  }
  await writeFile(join(folder, 'file'), '');
  await assert.rejects(openRunFolder(folder, plan), isError('outputExists', /found other files/));
  await assert.rejects(openRunFolder(join(folder, 'file'), plan), isError('ioFailed', /ENOTDIR/));
});

test('a checkpoint holds what the loop counts, and older ones stay until it is whole', async (context) => {
  const path = join(await temporaryFolder(context), 'run');
  await using folder = await openRunFolder(path, {});
  const kept: string[][] = [];
  const model = linearModel(1);
  await runLoop({
    folder,
    model: {
      ...model,
      saveState: async (file) => {
        kept.push((await readdir(folder.checkpoints)).filter((name) => !name.startsWith('.')));
        await model.saveState(file);
      },
    },
    batches: pairBatches(1),
    totalSteps: 5,
    learningRate: 0.1,
    schedule: { kind: 'constant', warmupSteps: 0 },
    maxGradNorm: null,
    evaluateEvery: 5,
    checkpointEvery: 1,
    patience: null,
  });
  assert.deepEqual(
    kept.map((names) => names.map((name) => Number(name.slice(5)))),
    [[], [1], [1, 2], [2, 3], [3, 4]],
  );
});
