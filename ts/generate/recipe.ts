import type { DropReason, ParsedAnswer } from './parse.js';
import type { Example } from './example.js';
import type { Template } from './template.js';

/** One thing to be worked on: an input row, a pair to be graded, a task to write an example for. */
export interface Unit {
  /** Unique within its stage; the input's id where it has one. */
  readonly id: string;
  /** The data set it comes from. */
  readonly source?: string;
  /** What the stage's templates are filled from, and what the recipe keeps for its row. */
  readonly inputs: Readonly<Record<string, string>>;
}

/** A call that a unit needs: rendered, bought and parsed by the engine. */
export interface PlannedCall {
  /** Unique within the unit, such as `positive` or `grade-negative`. */
  readonly name: string;
  readonly template: Template;
  /** The template's input slots. */
  readonly inputs: Readonly<Record<string, string>>;
  /** An answer that later calls can be estimated by, where one made up from the shape is none. */
  readonly madeUp?: string;
}

/** Why a unit gives no row: a reason of its answers, or `failed` where no answer could be had. */
export interface UnitDrop {
  readonly reason: DropReason | 'failed';
  readonly detail: string;
  /** The call whose answer was the reason, where one was. */
  readonly call?: string;
}

export type Verdict<Row> =
  /** Calls to buy before `next` is asked again; all of them may run at once. */
  | { readonly kind: 'calls'; readonly calls: readonly PlannedCall[] }
  | {
      readonly kind: 'rows';
      readonly rows: readonly Row[];
      /** Parts of the answers that gave no row, such as items of a list: counted like any drop. */
      readonly drops?: readonly UnitDrop[];
    }
  | { readonly kind: 'drop'; readonly drop: UnitDrop };

/** A parsed answer with what a row's provenance says of it. */
export interface CallAnswer {
  readonly parsed: ParsedAnswer;
  /** The value of every slot of the rendered call. */
  readonly slots: ReadonlyMap<string, string>;
  readonly provenance: Example['provenance'][number];
}

/**
 * What one stage of a recipe does with a unit, as a pure function: equal units and answers give an
 * equal verdict, so that a resumed run asks for the same calls and writes the same rows. A call whose
 * answer could not be used after all its attempts drops the unit before `next` sees it.
 */
export interface Stage<Row> {
  readonly name: string;
  next(unit: Unit, answers: ReadonlyMap<string, CallAnswer>): Verdict<Row>;
}

/** What a stage before the last one writes: an anchor, a task, a configuration. */
export interface IntermediateRow {
  readonly id: string;
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * `texts`: field `text`. `pairs` and `triples`: field `example`, the JSON of an anchor, a positive
 * and hard negatives (none, or one or more). Either may have a field `source`.
 */
export type RecipeInput = 'none' | 'texts' | 'pairs' | 'triples';

/**
 * A recipe: one stage, or several where the rows of one are what the next one's units are made of.
 * Each stage's rows are complete, filtered and on disk before the next one starts.
 */
export interface Recipe {
  readonly name: string;
  /** What each row of the user's input holds; with `none` the recipe makes its own units. */
  readonly input: RecipeInput;
  /** Every setting with the value it has, defaults too: what makes another plan when it changes. */
  readonly settings: Readonly<Record<string, string>>;
  /** The weights that slots are drawn by, as in `CallKey`; uniform unless given. */
  readonly slotWeights?: string;
  /** How rows are filtered where the run does not say; refusals are looked for unless told not to. */
  readonly filters?: { readonly nearDuplicates?: number; readonly refusals?: boolean };
  readonly before: readonly RecipeStage<IntermediateRow>[];
  readonly last: RecipeStage<Example>;
}

export interface RecipeStage<Row> extends Stage<Row> {
  /** The units in their order, from the user's input (first stage) or the rows of the stage before. */
  units(rows: AsyncIterable<IntermediateRow>): AsyncIterable<Unit>;
}
