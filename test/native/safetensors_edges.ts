import { safetensorsBytes, tensor } from './safetensors_files.js';

/** A hand-made file, and what reading it must say: 'ok', or the error code and part of its message. */
export interface EdgeFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly verdict: 'ok' | readonly [code: string, part: string];
}

const invalid = (part: string): EdgeFile['verdict'] => ['fileInvalid', part];
const f32 = (count: number, begin: number): object =>
  tensor('F32', [count], begin, begin + 4 * count);
const deep = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const one = (extra: string): string =>
  `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]${extra}}}`;
const many = (count: number): string =>
  `{${Array.from({ length: count }, (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`).join()}}`;

type Row = readonly [
  name: string,
  header: unknown,
  data: number,
  verdict: EdgeFile['verdict'],
  stated?: bigint,
];

const rows: readonly Row[] = [
  ['no tensors', {}, 0, 'ok'],
  ['one tensor', { a: f32(3, 0) }, 12, 'ok'],
  ['metadata only', { __metadata__: { format: 'pt' } }, 0, 'ok'],
  ['metadata null', { __metadata__: null }, 0, 'ok'],
  ['metadata key twice', '{"__metadata__":{"k":"1","k":"2"}}', 0, 'ok'],
  ['padded with spaces', '{}      ', 0, 'ok'],
  ['spaces before', '   {}', 0, 'ok'],
  ['scalar', { a: tensor('F32', [], 0, 4) }, 4, 'ok'],
  ['empty tensor', { a: tensor('F32', [0], 0, 0) }, 0, 'ok'],
  ['empty beside full', { a: tensor('F32', [0], 0, 0), b: f32(1, 0) }, 4, 'ok'],
  ['out of order in the header', { b: f32(1, 4), a: f32(1, 0) }, 8, 'ok'],
  ['odd alignment', { a: tensor('U8', [1], 0, 1), b: f32(1, 1) }, 5, 'ok'],
  ['packed 4-bit', { a: tensor('F4', [2], 0, 1) }, 1, 'ok'],
  ['unknown field', one(',"note":{"x":[1,2]}'), 1, 'ok'],
  ['rank 64', { a: tensor('U8', Array(64).fill(1), 0, 1) }, 1, 'ok'],
  ['name of 1024 bytes', { ['n'.repeat(1024)]: tensor('U8', [1], 0, 1) }, 1, 'ok'],
  ['empty name', { '': tensor('U8', [1], 0, 1) }, 1, 'ok'],
  ['name in other scripts', { '層.重み': tensor('U8', [1], 0, 1) }, 1, 'ok'],
  ['escaped name', '{"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1, 'ok'],
  ['name __proto__', '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1, 'ok'],
  ['100,000 tensors', many(100_000), 0, 'ok'],
  ['zero size of huge rank', { a: tensor('F32', [0, 2 ** 40, 2 ** 20], 0, 0) }, 0, 'ok'],
  ['100,001 tensors', many(100_001), 0, invalid('at most 100000 tensors')],
  ['length beyond the file', {}, 0, invalid('field header length: expected at most 2'), 3n],
  ['length 2^63', {}, 0, invalid('header length'), 1n << 63n],
  ['length 2^64 - 1', {}, 0, invalid('header length'), (1n << 64n) - 1n],
  ['length of 100 MB and one', {}, 0, invalid('header length'), 100_000_001n],
  ['length 0', '', 0, invalid('expected an object')],
  ['length inside the header', {}, 0, invalid('byte 1'), 1n],
  ['header an array', '[]', 0, invalid('expected an object')],
  ['header a string', '"a"', 0, invalid('expected an object')],
  ['text after the header', '{}x', 0, invalid('byte 2')],
  ['NUL after the header', '{}\0', 0, invalid('byte 2')],
  ['byte order mark', '\ufeff{}', 0, invalid('byte 0')],
  ['not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 0, invalid('byte 2')],
  [
    'comma at the end',
    '{"a":{"dtype":"U8","shape":[1,],"data_offsets":[0,1]}}',
    1,
    invalid('byte'),
  ],
  ['rank 65', { a: tensor('U8', Array(65).fill(1), 0, 1) }, 1, invalid('at most 64 dimensions')],
  [
    'name of 1025 bytes',
    { ['n'.repeat(1025)]: tensor('U8', [1], 0, 1) },
    1,
    invalid('at most 1024'),
  ],
  [
    'NUL in a name',
    '{"a\\u0000b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
    1,
    invalid('no NUL'),
  ],
  [
    'name twice',
    '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}',
    2,
    invalid('tensor "a": expected each name once'),
  ],
  [
    'name twice by an escape',
    '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
    0,
    invalid('each name once'),
  ],
  [
    'metadata twice',
    '{"__metadata__":{},"__metadata__":{}}',
    0,
    invalid('__metadata__: expected it once'),
  ],
  [
    'metadata a list',
    { __metadata__: [] },
    0,
    invalid('__metadata__: expected an object of strings'),
  ],
  [
    'metadata with a number',
    { __metadata__: { a: 1 } },
    0,
    invalid('expected a string, received a number'),
  ],
  [
    'hole',
    { a: f32(1, 0), b: f32(1, 8) },
    12,
    invalid('tensor "b", field data_offsets: expected its data to begin at byte 4 (no hole)'),
  ],
  ['hole at the start', { a: f32(1, 4) }, 8, invalid('begin at byte 0 (no hole)')],
  ['overlap', { a: f32(2, 0), b: f32(1, 4) }, 8, invalid('no overlap')],
  ['same bytes twice', { a: f32(1, 0), b: f32(1, 0) }, 4, invalid('no overlap')],
  ['bytes after the data', { a: f32(1, 0) }, 5, invalid('expected 4 bytes of tensor data')],
  ['truncated data', { a: f32(1, 0) }, 3, invalid('(truncated file)')],
  ['offsets reversed', { a: tensor('U8', [1], 1, 0) }, 1, invalid('received 1 to 0')],
  ['size too small', { a: tensor('F32', [2], 0, 4) }, 4, invalid('expected 8 bytes for F32 [2]')],
  ['size too large', { a: tensor('F16', [2], 0, 8) }, 8, invalid('expected 4 bytes for F16 [2]')],
  [
    'overflow of the shape',
    { a: tensor('U8', [2 ** 40, 2 ** 40], 0, 0) },
    0,
    invalid('below 2^63'),
  ],
  [
    'overflow by the dtype',
    '{"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]}}',
    0,
    invalid('below 2^63'),
  ],
  ['half a byte', { a: tensor('F4', [1], 0, 1) }, 1, invalid('whole bytes')],
  [
    'dtype unknown',
    { a: tensor('F33', [1], 0, 4) },
    4,
    invalid('field dtype: expected F32, F16, BF16'),
  ],
  [
    'dtype a number',
    { a: tensor(32, [1], 0, 4) },
    4,
    invalid('field dtype: expected a dtype name'),
  ],
  ['dtype twice', one(',"dtype":"U8"'), 1, invalid('field dtype: expected it once')],
  ['dtype missing', { a: { shape: [1], data_offsets: [0, 1] } }, 1, invalid('field dtype')],
  ['shape missing', { a: { dtype: 'U8', data_offsets: [0, 1] } }, 1, invalid('field shape')],
  ['offsets missing', { a: { dtype: 'U8', shape: [1] } }, 1, invalid('field data_offsets')],
  [
    'shape negative',
    { a: tensor('U8', [-1], 0, 1) },
    1,
    invalid('whole numbers >= 0, received -1'),
  ],
  [
    'shape fractional',
    '{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}',
    1,
    invalid('byte'),
  ],
  ['shape of strings', { a: tensor('U8', ['1'], 0, 1) }, 1, invalid('received a string')],
  [
    'one offset',
    '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}}',
    1,
    invalid('two byte offsets'),
  ],
  [
    'three offsets',
    '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}}',
    1,
    invalid('two byte offsets'),
  ],
  [
    'offset beyond 2^63',
    '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,9223372036854775808]}}',
    1,
    invalid('byte'),
  ],
  ['tensor null', { a: null }, 0, invalid('expected an object with dtype')],
  ['nested 8 deep', one(`,"x":${deep(6)}`), 1, 'ok'],
  ['nested 9 deep', one(`,"x":${deep(7)}`), 1, invalid('nesting of at most 8')],
  ['nested 100,000 deep', one(`,"x":${deep(100_000)}`), 1, invalid('nesting of at most 8')],
  ['number beyond double', one(',"x":1e999'), 1, invalid('byte')],
  ['a NaN word', one(',"x":NaN'), 1, invalid('byte')],
];

export const edgeFiles: readonly EdgeFile[] = [
  ...rows.map(([name, header, data, verdict, stated]) => ({
    name,
    bytes: safetensorsBytes(header, data, stated),
    verdict,
  })),
  { name: 'an empty file', bytes: new Uint8Array(0), verdict: invalid('at least 8 bytes') },
  { name: 'seven bytes', bytes: new Uint8Array(7), verdict: invalid('received 7') },
];

/** Files of other formats under the name `model.safetensors`; none may be opened as what it is. */
export const disguises: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ['pickle protocol 2', Buffer.from('\x80\x02cposix\nsystem\nX\x04\0\0\0trueq\0\x85R.', 'latin1')],
  ['pickle protocol 3', Buffer.from('\x80\x03cposix\nsystem\nX\x04\0\0\0trueq\0\x85R.', 'latin1')],
  ['pickle protocol 4', Buffer.from('\x80\x04\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94.', 'latin1')],
  ['pickle protocol 5', Buffer.from('\x80\x05\x95\x1d\0\0\0\0\0\0\0\x8c\x05posix\x94.', 'latin1')],
  ['pickle protocol 0', Buffer.from("cposix\nsystem\n(S'true'\ntR.", 'latin1')],
  ['zip archive', Buffer.from('PK\x03\x04\x14\0\x08\0archive/data.pkl', 'latin1')],
  ['TorchScript archive', Buffer.from('PK\x03\x04\0\0\x08\x08code/__torch__.py', 'latin1')],
  ['NumPy array', Buffer.from('\x93NUMPY\x01\0v\0{"descr"', 'latin1')],
  ['HDF5', Buffer.from('\x89HDF\r\n\x1a\n\0\0\0\0', 'latin1')],
  ['GGUF', Buffer.from('GGUF\x03\0\0\0\0\0\0\0', 'latin1')],
  ['Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\n')],
  ['tar archive', Buffer.concat([Buffer.from('archive/data.pkl'), Buffer.alloc(512)])],
  ['HTML page', Buffer.from('<!DOCTYPE html><html>not found</html>')],
  ['a header whose text is a pickle', safetensorsBytes('\x80\x04cposix\nsystem\n.', 0)],
];
