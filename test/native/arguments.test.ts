import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { NativeEncoder } from '#dist/native.js';
import { encoderSpec, loadTestModule, packTexts, skipWithoutModule } from './test_module.js';
import type { TestModule } from './test_module.js';

const [bytes, offsets] = packTexts('ab', 'c');

// Each case: what is wrong, the arguments, the one sentence it gives.
const wrong: readonly (readonly [string, readonly unknown[], RegExp])[] = [
  ['texts a string', ['ab', offsets, {}, 0], /^expected texts to be a Uint8Array, received a str/],
  [
    'texts of another type',
    [new Int8Array(3), offsets, {}, 0],
    /^expected texts to be a Uint8Array, received an Int8Array$/,
  ],
  [
    'texts shared with other threads',
    [new Uint8Array(new SharedArrayBuffer(3)), offsets, {}, 0],
    /^expected the buffer of texts .* not shared, received a shared one$/,
  ],
  [
    'texts of a length that may change',
    [new Uint8Array(resizable(3)), offsets, {}, 0],
    /^expected the buffer of texts .* received a resizable one$/,
  ],
  ['texts detached', [detached(3), offsets, {}, 0], /received a detached one$/],
  [
    'offsets of another type',
    [bytes, new Float32Array(3), {}, 0],
    /^expected offsets to be a Float64Array or BigUint64Array, received a Float32Array$/,
  ],
  ['no offsets', [bytes, new Float64Array(0), {}, 0], /^expected offsets to hold at least one/],
  ['first offset', [bytes, Float64Array.of(1, 2, 3), {}, 0], /^expected offsets\[0\] to be 0/],
  ['falling offsets', [bytes, Float64Array.of(0, 2, 1, 3), {}, 0], /^expected offsets\[2\] >= 2/],
  [
    'last offset',
    [bytes, Float64Array.of(0, 2, 4), {}, 0],
    /^expected offsets\[2\] to be the number of bytes, 3, received 4$/,
  ],
  ['fractional offset', [bytes, Float64Array.of(0, 0.5, 3), {}, 0], /to be a whole number >= 0/],
  ['offset NaN', [bytes, Float64Array.of(0, Number.NaN, 3), {}, 0], /to be a whole number >= 0/],
  ['options null', [bytes, offsets, null, 0], /^expected options to be an object, received null$/],
  [
    'dimensions below 0',
    [bytes, offsets, { dimensions: -1 }, 0],
    /^expected options\.dimensions to be an integer from 0 to 1073741824, received -1$/,
  ],
  ['normalize a number', [bytes, offsets, { normalize: 1 }, 0], /to be a boolean, received a numb/],
  ['no token', [bytes, offsets, {}], /^expected token to be an integer/],
  ['token infinite', [bytes, offsets, {}, Infinity], /^expected token to be an integer/],
  ['progress an object', [bytes, offsets, {}, 0, {}], /^expected onProgress to be a function, /],
];

function resizable(length: number): ArrayBuffer {
  // In the language since ES2024, in every Node we run on, not yet in the type library we use.
  const Resizable = ArrayBuffer as unknown as new (
    length: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer;
  return new Resizable(length, { maxByteLength: 2 * length });
}

function detached(length: number): Uint8Array {
  const array = new Uint8Array(length);
  structuredClone(array, { transfer: [array.buffer] });
  return array;
}

describe('arguments of the native boundary', { skip: skipWithoutModule }, () => {
  let addon: TestModule;
  let encoder: NativeEncoder;
  before(async () => {
    addon = loadTestModule();
    encoder = await addon.loadEncoder(encoderSpec, 0);
  });
  after(() => encoder.dispose());

  // A method of the class on any `this`, with any arguments.
  function call(self: object, name: 'embed' | 'info', ...args: readonly unknown[]): unknown {
    const method = Object.getOwnPropertyDescriptor(addon.NativeEncoder.prototype, name);
    return Reflect.apply(method?.value as () => unknown, self, args);
  }

  for (const [what, args, message] of wrong) {
    test(`${what}: one sentence, thrown by the call`, () => {
      const misuse = (): unknown => call(encoder, 'embed', ...args);
      assert.throws(misuse, (error: unknown) => {
        assert.ok(error instanceof TypeError || error instanceof RangeError);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test('a spec is refused by the name of its field, with the accepted values', () => {
    const load = (change: object): unknown => addon.loadEncoder({ ...encoderSpec, ...change }, 0);
    assert.throws(() => load({ head: 'tail' }), {
      name: 'RangeError',
      message: "expected spec.head to be one of 'none', 'pooler', 'mlp', received 'tail'",
    });
    assert.throws(() => load({ pooling: ['mean', 'cls', 7] }), {
      name: 'TypeError',
      message: /^expected spec\.pooling\[2\] to be one of 'cls', .*, received a number$/,
    });
    assert.throws(() => load({ weights: ['a\0b'] }), {
      message: 'expected spec.weights[0] to be a non-empty path without NUL',
    });
    assert.throws(() => load({ config: { ...encoderSpec.config, hiddenSize: 1.5 } }), {
      message: /^expected spec\.config\.hiddenSize to be an integer from 1 to \d+, received 1\.5$/,
    });
  });

  test('a handle is made by a job alone, and its methods want it as this', async () => {
    const construct = addon.NativeEncoder as unknown as new () => unknown;
    assert.throws(() => new construct(), { name: 'TypeError' });
    const tensor = await addon.makeTensor(64);
    assert.throws(() => call(tensor, 'info'), {
      name: 'TypeError',
      message: /^expected `this` to be a NativeEncoder of this environment/,
    });
    assert.throws(() => call(new Proxy(encoder, {}), 'info'), TypeError);
  });
});
