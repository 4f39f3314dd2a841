// Character data and UTF-8 steps of the tokenizer. The tables are those `tokenizers` 0.23.2 uses
// (scripts/unicode_tables.mjs says which Unicode version each of them is from).
#pragma once

#include <cstdint>

namespace simgpt::unicode {

// Bits of flags(c); the order is that of scripts/unicode_tables.mjs.
enum CharacterFlag : uint8_t {
  kSpace = 1,        // White_Space
  kPunctuation = 2,  // P of Unicode 8, or any ASCII punctuation or symbol
  kMark = 4,         // Mn
  kControl = 8,      // Cc, Cf, Co, U+0000, U+FFFD, without tab, line feed, carriage return
  kLetter = 16,      // \p{L}
  kNumber = 32,      // \p{N}
  kWord = 64,        // \w of a regular expression
  kMapped = 128,     // mapping(c) is not all zero
};

struct CharacterMapping {
  char32_t lower;      // 0: unchanged. U+0130 also yields U+0307 after it
  uint16_t begin;      // of the full canonical decomposition in decompositions()
  uint8_t count;       // of its code points; 0: none
  uint8_t mark_order;  // orders combining marks; 0: a starter
};

uint8_t flags(char32_t c);
const CharacterMapping& mapping(char32_t c);
const char32_t* decompositions();
bool is_cjk(char32_t c);  // the ideographs that BERT sets apart with spaces

// Hangul syllables decompose by arithmetic. Returns how many of `out` were written: 0, 2 or 3.
int decompose_hangul(char32_t c, char32_t out[3]);

// Reads one code point at `at` and moves behind it. A byte that starts no well-formed sequence
// counts as U+FFFD, so nothing is read past `end` whatever the bytes are.
char32_t decode(const char*& at, const char* end);

// Writes c (a scalar value) and returns the end; needs room for 4 bytes.
char* encode(char32_t c, char* out);

// The code point that ends just before `end`; begin < end.
char32_t decode_last(const char* begin, const char* end);

}  // namespace simgpt::unicode
