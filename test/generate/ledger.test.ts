import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { openJournal } from '#dist/files/journal.js';
import type { JournalRecord } from '#dist/files/journal.js';
import { openLedger } from '#dist/generate/ledger.js';
import type { BillLine, Ledger } from '#dist/generate/ledger.js';
import { ledgerEventOf, outcomes } from '#dist/generate/ledger_events.js';
import { reportLedger } from '#dist/generate/ledger_report.js';
import { applyEvent, chargeOf, emptyLedger } from '#dist/generate/ledger_state.js';
import type { Caps, Claim, LedgerState } from '#dist/generate/ledger_state.js';
import { costOf, moneySpent } from '#dist/generate/money.js';
import { temporaryFolder } from '../temporary_folder.js';

// Money of one unit a token of input, three of output: met before the tokens now and then.
const price = { inputPerMillionTokens: 1e6, outputPerMillionTokens: 3e6, batchDiscount: 0.5 };
const money = { most: 2000, currency: 'EUR', models: { m: price } };
const caps = { tokens: 1000, calls: 12, money };
const hash = 'a'.repeat(64);
const place = { position: 0, bytes: 0 };

function claimOf(id: string, attempt = 1, tokens = 100) {
  const promptTokens = Math.floor(tokens / 2);
  return { id, attempt, model: 'm', template: 't', tokens, promptTokens } satisfies Claim;
}

function replayed(records: readonly JournalRecord[]): LedgerState {
  const state = emptyLedger();
  for (const record of records) applyEvent(state, ledgerEventOf(record)!);
  return state;
}

/** A ledger whose journal is a list; each record is durable at once. */
async function listLedger(
  limits: Caps = caps,
  log: JournalRecord[] = [],
): Promise<{ ledger: Ledger; log: JournalRecord[] }> {
  const append = async (record: JournalRecord): Promise<typeof place> => {
    log.push(JSON.parse(JSON.stringify(record)) as JournalRecord);
    return place;
  };
  return { ledger: await openLedger({ append }, replayed(log), { caps: limits }), log };
}

function expectSound(state: LedgerState): void {
  const { settledTokens, settledCalls, bookedTokens, bookedCalls, overrunTokens } = state.sums;
  assert.ok(settledTokens + bookedTokens - overrunTokens <= caps.tokens, 'tokens within the cap');
  assert.ok(settledCalls + bookedCalls <= caps.calls, 'calls within the cap');
  assert.ok(moneySpent(state, money) <= money.most, 'money within the cap');
  const entries = [...state.entries.values()].flat();
  const sum = entries.reduce((total, entry) => total + chargeOf(entry), 0);
  assert.equal(settledTokens + bookedTokens, sum);
  const report = reportLedger(state);
  assert.equal(report.avoidableDoubleBills, 0);
  assert.equal(
    report.rows.reduce((total, row) => total + row.tokens, 0),
    sum,
  );
  assert.equal(
    report.rows.reduce((total, row) => total + row.calls, 0),
    entries.length,
  );
}

const step = fc.record({
  // Claims weigh most, or the cap is never met.
  op: fc.constantFrom('claim', 'claim', 'claim', 'flush', 'end', 'end', 'book', 'crash'),
  id: fc.integer({ min: 0, max: 9 }),
  pick: fc.nat(1000),
  tokens: fc.integer({ min: 1, max: 300 }),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  outcome: fc.constantFrom(...outcomes),
  isKnown: fc.boolean(),
  isBatch: fc.boolean(),
});

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

function usedOf({ tokens, promptTokens = 0 }: Claim, share: number) {
  const inputTokens = Math.floor(share * promptTokens);
  return { inputTokens, outputTokens: Math.floor(share * (tokens - promptTokens)) };
}

function tokensOf(lines: readonly BillLine[]): number {
  return lines.reduce((sum, line) => sum + line.inputTokens + line.outputTokens, 0);
}

/** A ledger, a provider that counts truly, and a disk that keeps a prefix when it crashes. */
async function simulate(steps: readonly Step[]): Promise<void> {
  const durable: JournalRecord[] = [];
  let pending: { record: JournalRecord; done: () => void }[] = [];
  let inFlight: Claim[] = [];
  let waiting: Promise<unknown>[] = [];
  const bill = new Map<string, BillLine & { readonly cost: number }>();
  const append = (record: JournalRecord): Promise<typeof place> =>
    new Promise((resolve) => pending.push({ record, done: () => resolve(place) }));
  const flush = async (): Promise<void> => {
    for (const { record, done } of pending.splice(0)) {
      durable.push(record);
      done();
    }
    await Promise.all(waiting.splice(0));
  };
  const open = async (): Promise<Ledger> => {
    const opening = openLedger({ append }, replayed(durable), { caps });
    await flush();
    return opening;
  };
  const charge = (claim: Claim, share: number, isBatch: boolean): void => {
    const { id, attempt } = claim;
    const usage = usedOf(claim, share);
    const cost = costOf(price, usage, isBatch ? 'batch' : 'live');
    bill.set(`${id} ${attempt}`, { id, attempt, ...usage, cost });
  };
  let ledger = await open();
  for (const { op, id, pick, tokens, share, outcome, isKnown, isBatch } of steps) {
    const [ended] = op === 'end' || op === 'book' ? inFlight.splice(pick % 8, 1) : [];
    if (op === 'claim') {
      const attempt = (ledger.state.entries.get(String(id))?.length ?? 0) + 1;
      const claim = claimOf(String(id), attempt, tokens);
      const before = inFlight;
      const buy = async (buyer: Ledger): Promise<void> => {
        // The claim of a process that is gone starts no call.
        if ((await buyer.claim(claim)) === 'claimed' && before === inFlight) inFlight.push(claim);
      };
      waiting.push(buy(ledger));
    } else if (op === 'flush') {
      await flush();
    } else if (op === 'crash') {
      for (const claim of inFlight) charge(claim, share, isBatch);
      durable.push(...pending.slice(0, pick % (pending.length + 1)).map(({ record }) => record));
      pending = [];
      waiting = [];
      inFlight = [];
      ledger = await open();
    } else if (ended !== undefined) {
      const isFree = outcome === 'notSent' || outcome === 'notBilled';
      if (op === 'book' || !isFree) charge(ended, share, isBatch);
      const usage = isKnown ? usedOf(ended, share) : null;
      const response = outcome === 'ok' ? hash : null;
      const mode = isBatch ? ('batch' as const) : undefined;
      const settlement = { outcome, usage, response, mode };
      waiting.push(op === 'book' ? ledger.book(ended) : ledger.settle(ended, settlement));
    }
    expectSound(ledger.state);
    const { settledTokens, bookedTokens } = ledger.state.sums;
    const lines = [...bill.values()];
    assert.ok(settledTokens + bookedTokens >= tokensOf(lines), 'never below the bill');
    const cost = lines.reduce((sum, line) => sum + line.cost, 0);
    assert.ok(moneySpent(ledger.state, money) >= cost, 'never below the bill in money');
  }
  await flush();
  // The last claims of the loop may be in flight; they end without an answer.
  for (const claim of inFlight) waiting.push(ledger.book(claim));
  await flush();
  assert.deepEqual(replayed(durable), ledger.state);
  durable.forEach((_, i) => expectSound(replayed(durable.slice(0, i + 1))));
  const lines = [...bill.values()];
  const reconciling = ledger.reconcile(lines);
  await flush();
  assert.deepEqual((await reconciling).unclaimed, []);
  assert.equal(ledger.state.sums.settledTokens, tokensOf(lines));
  assert.equal(ledger.state.sums.settledCalls, lines.length);
  assert.equal(ledger.state.sums.bookedTokens, 0);
  assert.equal((await ledger.reconcile(lines)).corrected, 0, 'a second time changes nothing');
}

test('through any interleaving and crash the cap holds and the bill is covered', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), simulate), {
    seed: 7,
    numRuns: 500,
  });
});

test('claims made at once cannot pass the cap together', async () => {
  const { ledger } = await listLedger();
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, i) => ledger.claim(claimOf(`${i}`))),
  );
  assert.equal(answers.filter((answer) => answer === 'claimed').length, 10);
  assert.equal(answers.at(-1), 'tokens');
  await ledger.release({ id: '3', attempt: 1 });
  assert.equal(await ledger.claim(claimOf('3', 2)), 'claimed');
  const few = await listLedger({ tokens: 1000, calls: 1 });
  assert.equal(await few.ledger.claim(claimOf('a')), 'claimed');
  assert.equal(await few.ledger.claim(claimOf('b')), 'calls');
});

test('an answered id is never bought again, nor one in flight', async () => {
  const { ledger, log } = await listLedger();
  await ledger.claim(claimOf('a'));
  assert.equal(await ledger.claim(claimOf('a', 2)), 'inFlight');
  const usage = { inputTokens: 30, outputTokens: 20 };
  await ledger.settle({ id: 'a', attempt: 1 }, { outcome: 'ok', usage, response: hash });
  assert.equal(await ledger.claim(claimOf('a', 2)), 'answered');
  assert.equal(await (await listLedger(caps, log)).ledger.claim(claimOf('a', 2)), 'answered');
  await ledger.claim(claimOf('b'));
  await ledger.book({ id: 'b', attempt: 1 });
  assert.equal(await ledger.claim(claimOf('b')), 'claimedBefore');
});

test('forced and avoidable double bills are counted apart, rows by model, template, outcome', () => {
  const claim = (id: string, attempt: number): JournalRecord => ({
    kind: 'claim',
    ...claimOf(id, attempt),
  });
  const settle = (id: string, attempt: number, outcome: string): JournalRecord => ({
    kind: 'settle',
    id,
    attempt,
    outcome,
    response: null,
    usage: { inputTokens: 7, outputTokens: 3 },
  });
  const state = replayed([
    claim('cut', 1),
    settle('cut', 1, 'truncated'),
    claim('cut', 2),
    settle('cut', 2, 'ok'),
    claim('hung', 1),
    { kind: 'book', id: 'hung', attempt: 1 },
    claim('hung', 2),
    settle('hung', 2, 'ok'),
    claim('wrong', 1),
    settle('wrong', 1, 'schema'),
    claim('wrong', 2),
    settle('wrong', 2, 'ok'),
    claim('busy', 1),
    settle('busy', 1, 'notBilled'),
    claim('busy', 2),
    settle('busy', 2, 'ok'),
    // No ledger of ours writes this; one that did would be told so.
    claim('busy', 3),
    settle('busy', 3, 'ok'),
  ]);
  const { rows, ...sums } = reportLedger(state);
  assert.deepEqual(sums, {
    settledTokens: 70,
    settledCalls: 7,
    bookedTokens: 100,
    bookedCalls: 1,
    overrunTokens: 0,
    forcedDoubleBills: 2,
    secondTries: 1,
    avoidableDoubleBills: 1,
  });
  assert.deepEqual(
    rows.map(({ outcome, calls, tokens, outputTokens }) => [outcome, calls, tokens, outputTokens]),
    [
      ['notBilled', 1, 0, 0],
      ['ok', 5, 50, 15],
      ['schema', 1, 10, 3],
      ['truncated', 1, 10, 3],
      ['unknown', 1, 100, 0],
    ],
  );
});

test('usage beyond its claim is kept in full and ends the buying', async () => {
  const { ledger } = await listLedger();
  await ledger.claim(claimOf('a'));
  const usage = { inputTokens: 100, outputTokens: 50 };
  await ledger.settle({ id: 'a', attempt: 1 }, { outcome: 'ok', usage, response: hash });
  assert.equal(ledger.state.sums.settledTokens, 150);
  assert.equal(ledger.state.sums.overrunTokens, 50);
  assert.equal(await ledger.claim(claimOf('b')), 'overrun');
});

test('after a crash a stored answer settles its call, any other open call is booked', async (context) => {
  const path = join(await temporaryFolder(context), 'journal.jsonl');
  {
    await using journal = await openJournal(path);
    const ledger = await openLedger(journal, emptyLedger(), { caps });
    await Promise.all(['stored', 'lost'].map((id) => ledger.claim(claimOf(id))));
  }
  const state = emptyLedger();
  const onRecord = (record: JournalRecord): void => {
    const event = ledgerEventOf(record);
    if (event !== undefined) applyEvent(state, event);
  };
  await using journal = await openJournal(path, { onRecord });
  const ledger = await openLedger(journal, state, {
    caps,
    recover: ({ id }) =>
      id === 'stored' ? { outcome: 'ok', usage: null, response: hash } : undefined,
  });
  assert.equal(state.entries.get('stored')?.[0]?.outcome, 'ok');
  assert.equal(state.entries.get('lost')?.[0]?.status, 'unknown');
  assert.equal(await ledger.claim(claimOf('lost', 2)), 'claimed');
});

test('what is not an event, or does not follow, is refused by name', async () => {
  const { ledger, log } = await listLedger();
  await assert.rejects(ledger.claim(claimOf('a', 0)), { name: 'RangeError', message: /attempt/ });
  await assert.rejects(ledger.claim(claimOf('a', 1, 1.5)), { name: 'RangeError' });
  await assert.rejects(ledger.book({ id: 'a', attempt: 1 }), /expected an open claim, found none/);
  await assert.rejects(listLedger({ tokens: -1, calls: 1 }), RangeError);
  assert.deepEqual(log, []);
  assert.equal(ledgerEventOf({ kind: 'plan' }), undefined);
  assert.throws(() => ledgerEventOf({ kind: 'claim', id: 'a' }), { code: 'dataInvalid' });
  await ledger.claim(claimOf('a'));
  const line = { id: 'a', attempt: 1, inputTokens: 1, outputTokens: 1 };
  await assert.rejects(ledger.reconcile([line]), /no call in flight, found a/);
  await ledger.release({ id: 'a', attempt: 1 });
  await assert.rejects(ledger.release({ id: 'a', attempt: 1 }), /found one that is settled/);
  const { unclaimed } = await ledger.reconcile([{ ...line, id: 'other' }]);
  assert.deepEqual(unclaimed, [{ ...line, id: 'other' }]);
  await assert.rejects(ledger.reconcile([line, line]), /found one twice/);
});
