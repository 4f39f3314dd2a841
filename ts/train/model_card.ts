import { isPublishedPooling } from '../encoder/pooling.js';
import { stsReportAsMarkdown } from '../evaluate/report_formats.js';
import type { Prepared } from './prepare.js';
import type { ToldRun } from './run_log.js';

/**
 * What a reader must know of a trained model: where it comes from, what it was trained on and how,
 * its scores with their intervals, and what it was not made for. A function of the run alone: it
 * holds no clock, host or path.
 */
export function modelCard(inputs: ToldRun): string {
  const { prepared } = inputs;
  const { checkpoint } = prepared;
  const alone = onlyHere(prepared);
  const library = alone.length > 0 ? 'simgpt' : 'sentence-transformers';
  return [
    '---',
    `library_name: ${library}`,
    'pipeline_tag: sentence-similarity',
    `base_model: ${JSON.stringify(checkpoint.id)}`,
    `tags: [${library}, sentence-similarity, feature-extraction]`,
    '---',
    '',
    `# A text-embedding model from ${inline(checkpoint.id)}`,
    '',
    `Trained by \`simgpt train ${prepared.recipe.name}\`` +
      `${prepared.recipe.variant === null ? '' : `, variant ${prepared.recipe.variant}`}, ` +
      `seed ${inputs.seed}.`,
    '',
    ...scores(inputs),
    ...lineage(prepared),
    ...data(inputs),
    ...training(inputs),
    '## Limits',
    '',
    `Texts beyond ${checkpoint.maxTokens} tokens are cut. Similarities rank texts; they are no ` +
      'probabilities, and a value that means "alike" here may not in another domain. The model ' +
      'inherits what its base model and its training data have of bias and of errors.',
    '',
    ...alone.flatMap((sentence) => [sentence, '']),
  ].join('\n');
}

/** What of the model sentence-transformers cannot say. */
function onlyHere({ checkpoint: { pooling }, recipe }: Prepared): readonly string[] {
  return [
    ...(recipe.settings.trains.kind === 'deepPrompt'
      ? [
          'Its deep prompt is in `deep_prompt.safetensors`, which simgpt loads; sentence-transformers ' +
            'does not know it and would give the vectors of the base model.',
        ]
      : []),
    ...(isPublishedPooling(pooling)
      ? []
      : [
          `Its pooling, ${pooling.join(' and ')}, is in \`simgpt.json\`, which simgpt loads; ` +
            'sentence-transformers has no such pooling and refuses the folder.',
        ]),
  ];
}

function scores({ evaluation, outcome }: ToldRun): string[] {
  const { dev, test } = evaluation;
  const selected =
    outcome.selected.score === null
      ? `The model of the last step, ${outcome.selected.step}; no dev set was given.`
      : `Step ${outcome.selected.step} of ${outcome.steps} was selected by the dev sets; test ` +
        'sets had no part in it.';
  const rows = dev.map(
    ({ name, pairs, before, after }) =>
      `| ${inline(name)} | ${pairs} | ${hundredfold(before.spearman)} | ${hundredfold(after.spearman)} |`,
  );
  return [
    '## Scores',
    '',
    selected,
    '',
    ...(rows.length === 0
      ? []
      : [
          '| dev set | pairs | base model | this model |',
          '|---|---:|---:|---:|',
          ...rows,
          '',
          'Spearman x 100.',
          '',
        ]),
    ...(test === null ? [] : [stsReportAsMarkdown(test).trimEnd(), '']),
  ];
}

/** The models that its numbers come from, by the bytes of their weights. */
function lineage({ lineage: models, recipe, teacher }: Prepared): string[] {
  const { model, reference, teacher: named } = models;
  const alsoTaught = teacher !== undefined && named === undefined;
  const rows = [
    { role: alsoTaught ? 'base and teacher' : 'base', from: model },
    ...(reference === undefined ? [] : [{ role: 'reference of false negatives', from: reference }]),
    ...(named === undefined ? [] : [{ role: 'teacher', from: named }]),
  ].flatMap(({ role, from: { id, revision, files } }) =>
    files
      .filter(({ name }) => name.endsWith('.safetensors'))
      .map(
        ({ name, bytes, sha256 }) =>
          `| ${role} | ${inline(id)} | ${inline(revision ?? 'not known')} | ${inline(name)} ` +
          `| ${bytes} | \`${sha256}\` |`,
      ),
  );
  const layers = recipe.settings.teacher?.layers;
  return [
    '## Lineage',
    '',
    '| role | model | revision | weights | bytes | sha256 |',
    '|---|---|---|---|---:|---|',
    ...rows,
    '',
    ...(layers === undefined
      ? []
      : [
          `It began as a student made of the base model; layers kept, from 0: ${layers.join(', ')}.`,
          '',
        ]),
    '`run.json` names the other files of each model, with their sha256.',
    '',
  ];
}

function data({ prepared, outcome, overlap, log }: ToldRun): string[] {
  const { counts, files } = prepared.data;
  return [
    '## Data',
    '',
    '| file | records | weight | bytes | sha256 |',
    '|---|---:|---:|---:|---|',
    ...files.map(
      ({ name, rows, weight, bytes, sha256 }) =>
        `| ${inline(name)} | ${rows} | ${weight} | ${bytes} | \`${sha256}\` |`,
    ),
    '',
    `${counts.used} of ${counts.read} records are in the training set; ${counts.bad} could not be ` +
      `used, ${counts.duplicates} repeat an earlier one, ${counts.dropped} were left out on ` +
      `request. ${outcome.steps} steps took ${log.examples} examples from it, ${log.truncated} of ` +
      'their texts cut to the tokens of training.',
    '',
    overlap === null
      ? 'The records were not compared with any evaluation set.'
      : `${overlap.overlapping} of ${overlap.examples} records share a text with ` +
        `${overlap.sets.map(({ name }) => inline(name)).join(', ')}, equal or nearly ` +
        '(`overlap.json` of the run).',
    '',
  ];
}

function training({ prepared, outcome, seed }: ToldRun): string[] {
  const { settings, overridden } = prepared.recipe;
  const values = { ...settings, seeds: [seed], steps: outcome.steps };
  const rows = Object.entries(values).map(([name, value]) => {
    const own = overridden.includes(name) ? 'given' : 'recipe';
    return `| ${name} | \`${JSON.stringify(value)}\` | ${name === 'steps' ? 'run' : own} |`;
  });
  return ['## Training', '', '| setting | value | from |', '|---|---|---|', ...rows, ''];
}

function hundredfold(rho: number): string {
  return (rho * 100).toFixed(2);
}

/** A name from outside in a table's cell. */
function inline(text: string): string {
  return text.replace(/[\\`*_{}[\]<>|#]/g, (char) => `\\${char}`).replace(/\s+/g, ' ');
}
