/** What rows, ledger and report name as the model of a rehearsal: nothing else writes under it. */
export const rehearsalModel = 'rehearsal';
