// GPT-2's words: the pattern 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+|
// ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ as a hand-written scanner, one look at each code point.
#pragma once

#include "tokenizer/bpe.h"
#include "tokenizer/word_encoder.h"

namespace simgpt {

// End of the word that begins at `at`; at < end.
const char* byte_level_word_end(const char* at, const char* end);

// Cuts and encodes [begin, end); add_prefix_space puts a space before text that has none there.
// Bytes up to readable_end may be looked at.
void encode_byte_level(const char* begin, const char* end, const char* readable_end,
                       bool add_prefix_space, WordEncoder<BpeModel>& encoder);

}  // namespace simgpt
