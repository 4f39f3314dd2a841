import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { forTerminal, forTerminalLine } from '#dist/cli/terminal.js';

test('escape sequences, control bytes and reordering marks are removed', () => {
  assert.equal(forTerminal('a\u001b[31mb\u001b[0mc'), 'abc');
  assert.equal(forTerminal('\u001b]0;title\u0007x\u001b]8;;http://e\u001b\\y'), 'xy');
  assert.equal(forTerminal('\u009b2Jx\u0000\u0008\ry'), 'xy');
  assert.equal(forTerminal('user\u202egnp.exe'), 'usergnp.exe');
  assert.equal(forTerminal('tab\tline\n日本語 é'), 'tab\tline\n日本語 é');
  assert.equal(forTerminal('lone \ud800 half'), 'lone \ufffd half');
});

test('nothing a terminal acts on survives, whatever the text', () => {
  const hostile = fc.string({
    unit: fc.constantFrom(
      '\u001b',
      '[',
      ']',
      '\u0007',
      '\u009b',
      '\\',
      '3',
      'm',
      'x',
      '\u202e',
      '\n',
    ),
  });
  fc.assert(
    fc.property(hostile, (text) => {
      // oxlint-disable-next-line no-control-regex -- control bytes are what must be gone
      assert.doesNotMatch(forTerminal(text), /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
    }),
    { seed: 1 },
  );
});

test('a line is one line of bounded length', () => {
  assert.equal(forTerminalLine('a\nb\tc'), 'a b c');
  assert.equal(forTerminalLine('😀'.repeat(9), 4), '😀😀😀…');
});
