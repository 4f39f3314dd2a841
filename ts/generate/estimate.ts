import { parseAnswer } from './parse.js';
import { prepareCall } from './planned_request.js';
import type { PreparedCall, RequestSettings } from './planned_request.js';
import type { IntermediateRow, RecipeStage, Unit } from './recipe.js';
import type { Message } from './slots.js';
import { stageUnits } from './stages.js';
import type { StageSource } from './stages.js';
import type { StoredCall } from './stored_call.js';
import type { Template } from './template.js';
import { walkUnit } from './walk_unit.js';

/** What a run would ask for, if every answer can be used. */
export interface Estimate {
  readonly units: number;
  readonly calls: number;
  /** Four bytes of English a token. */
  readonly inputTokens: number;
  /** The output limits that are sent: no call may cost more. */
  readonly maxOutputTokens: number;
  /** What the calls would be booked at: a cap below this may stop the run. */
  readonly claimTokens: number;
  /** The first prompts, as they would be sent. */
  readonly prompts: readonly (readonly Message[])[];
}

const shownPrompts = 3;
const bytesPerToken = 4;

/** Walks through the run with made-up answers; no call is made and nothing is written. */
export async function estimateRun(
  source: StageSource,
  settings: RequestSettings,
): Promise<Estimate> {
  const { recipe } = source;
  const sums = { units: 0, calls: 0, inputTokens: 0, maxOutputTokens: 0, claimTokens: 0 };
  const prompts: Message[][] = [];
  const get = async (call: PreparedCall): Promise<StoredCall> => {
    const { messages, maxOutputTokens } = call.request(0);
    const bytes = messages.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0);
    sums.calls += 1;
    sums.inputTokens += Math.ceil(bytes / bytesPerToken);
    sums.maxOutputTokens += maxOutputTokens;
    sums.claimTokens += call.tokens;
    if (prompts.length < shownPrompts) {
      prompts.push(messages.map(({ role, content }) => ({ role, text: content })));
    }
    return madeUpAnswer(call);
  };
  async function* rowsOf<Row>(stage: RecipeStage<Row>, units: AsyncIterable<Unit>) {
    for await (const unit of units) {
      const walked = await walkUnit(
        stage,
        unit,
        (planned) => prepareCall(planned, stage.name, unit, settings),
        get,
      );
      if (walked?.verdict.kind === 'rows') yield* walked.verdict.rows;
      if (stage.name === recipe.last.name) sums.units += 1;
    }
  }
  let rows: AsyncIterable<IntermediateRow> | undefined;
  for (const [index, stage] of recipe.before.entries()) {
    rows = rowsOf(stage, stageUnits(source, stage, index, rows));
  }
  const last = stageUnits(source, recipe.last, recipe.before.length, rows);
  for await (const _ of rowsOf(recipe.last, last));
  return { ...sums, prompts };
}

function madeUpAnswer(call: PreparedCall): StoredCall {
  const { template, slots, name, provenance, madeUp } = call;
  const answer = { text: madeUp ?? madeUpText(template.output, name), finishReason: 'stop' };
  const parsed = parseAnswer(template, slots, answer, { refusals: [] });
  return 'reason' in parsed
    ? { kind: 'drop', drop: { ...parsed, call: name } }
    : { kind: 'answer', answer: { parsed, slots, provenance } };
}

/** Items that a call for a list is taken to bring. */
const listLength = 20;

/** Other words for each call, or two of them would drop the unit as equal. */
function madeUpText(output: Template['output'], call: string): string {
  const text = (index: number): string =>
    `Sentence ${index + 1} of ${call} stands for one to come.`;
  switch (output.kind) {
    case 'numberedLines':
      return output.fields.map((_, index) => `${index + 1}. ${text(index)}`).join('\n');
    case 'numberedList':
    case 'stringList': {
      const items = Array.from({ length: Math.min(output.max, listLength) }, (_, i) => text(i));
      return output.kind === 'stringList'
        ? JSON.stringify(items)
        : items.map((item, index) => `${index + 1}. ${item}`).join('\n');
    }
    case 'sentence':
      return text(0);
    case 'quotedSentence':
      return `"${text(0)}"`;
    case 'number':
      return String(Math.round(output.max));
    case 'choice':
      return output.choices[0]!;
    default: {
      const { fields, choices = {} } = output;
      const values = fields.map((field, i) => [field, choices[field]?.[0] ?? text(i)] as const);
      return JSON.stringify(Object.fromEntries(values));
    }
  }
}
