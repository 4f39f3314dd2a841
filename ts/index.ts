export { createBatches } from './dataset/batches.js';
export type { Batches, BatchOptions, TrainingBatch, WeightedSource } from './dataset/batches.js';
export { writeExamples } from './dataset/example_writers.js';
export type { WritableExample, WrittenExamples } from './dataset/example_writers.js';
export { readExamples } from './dataset/examples.js';
export type { ReadExamplesOptions } from './dataset/examples.js';
export { createNearDuplicateIndex, nearDuplicates } from './dataset/near_duplicates.js';
export type { NearDuplicate, NearDuplicates } from './dataset/near_duplicates.js';
export type { ExampleColumns, TrainingExample } from './dataset/training_example.js';
export { createOverlapScanner, scanOverlap } from './evaluate/overlap.js';
export type { EvaluationTexts, OverlapMatch, OverlapReport } from './evaluate/overlap.js';
export { loadOverlapSets } from './evaluate/overlap_sets.js';
export { Encoder } from './encoder/encoder.js';
export type {
  Device,
  LoadOptions,
  Precision,
  SignalOptions,
  TokenizedTexts,
  TokenizeOptions,
} from './encoder/encoder.js';
export type {
  EmbedOptions,
  EmbedProgress,
  EmbedResult,
  EmbedStreamOptions,
} from './encoder/embed.js';
export { readCheckpoint } from './encoder/checkpoint.js';
export type { Checkpoint, CheckpointOptions } from './encoder/checkpoint.js';
export { exportCheckpoint } from './encoder/export.js';
export type { ExportDtype, ExportOptions } from './encoder/export.js';
export { resolveModel } from './encoder/hub.js';
export type { ResolvedModel, ResolveOptions } from './encoder/hub.js';
export type { Head, Pooling } from './encoder/pooling.js';
export type {
  AccumulateOptions,
  ExampleBatch,
  ForeignEmbeddings,
  GradientBatch,
  EqualTexts,
  Loss,
  LossValue,
  NoisyReference,
} from './train/loss.js';
export { Optimizer } from './train/optimizer.js';
export { withDropout } from './train/session.js';
export type { OptimizerOptions, StepOptions } from './train/optimizer.js';
export type { TrainingCompute, TrainingOptions, Trains } from './train/training_options.js';
export { SimgptError, errorCodes } from './errors.js';
export type { ErrorCode } from './errors.js';
export { averageRanks, pearson, spearman } from './evaluate/metrics.js';
export { createStsReport } from './evaluate/report.js';
export type { ModelSettings, ScoredModel, StsComparison, StsReport } from './evaluate/report.js';
export {
  stsReportAsCsv,
  stsReportAsJson,
  stsReportAsLatex,
  stsReportAsMarkdown,
  stsReportAsTable,
} from './evaluate/report_formats.js';
export { evaluateSts } from './evaluate/sts.js';
export type { StsOptions, StsScores, StsTaskScore } from './evaluate/sts.js';
export { loadStsData } from './evaluate/sts_data.js';
export type { StsData, StsDataOptions, StsSet } from './evaluate/sts_data.js';
export { stsTaskNames } from './evaluate/sts_tasks.js';
export type { StsProtocol, StsTaskName } from './evaluate/sts_tasks.js';
export { bootstrapSpearman, percentileInterval } from './evaluate/uncertainty.js';
export type { SentenceEmbeddings, SentenceEncoder } from './encoder/sentence_encoder.js';
export { loadRecipe, recipeFileSchema, recipeNames, resolveRecipe } from './train/recipe.js';
export type { ResolvedRecipe, ResolveRecipeOptions } from './train/recipe.js';
export type { RecipeFile, Settings, SettingsInput } from './train/recipe_schema.js';
export { learningRateAt } from './train/schedule.js';
export type { Schedule } from './train/schedule.js';
export type { SeedSummary, Spread } from './train/seeds.js';
export { train } from './train/train.js';
export type { RunEvent, RunResult, TrainOptions, TrainResult } from './train/train.js';
export type { TrainingFile } from './train/training_data.js';
export { recipeNames as generationRecipes } from './generate/recipes/registry.js';
export type { RecipeName as GenerationRecipe } from './generate/recipes/registry.js';
export {
  estimateRecipe as estimateGeneration,
  runRecipe as generate,
} from './generate/run_recipe.js';
export type { RecipeRunOptions as GenerateOptions } from './generate/run_recipe.js';
export type { RunSettings as GenerateSettings } from './generate/run_settings.js';
export { loadTemplates, readLedger, reconcileLedger, verifyRun } from './generate/runs.js';
export type { Estimate } from './generate/estimate.js';
export type { Example } from './generate/example.js';
export type { GenerateResult } from './generate/generate.js';
export type { LedgerReport, LedgerRow } from './generate/ledger_report.js';
export type { RunReconciliation } from './generate/run_ledger.js';
export type { Template } from './generate/template.js';
export type { Verification } from './generate/verify.js';
