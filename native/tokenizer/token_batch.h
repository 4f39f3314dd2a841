// Texts in and packed ids out: the two values every stage around the tokenizer shares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace simgpt {

// UTF-8 texts, one after the other: text i is bytes[offsets[i]] up to bytes[offsets[i + 1]].
// The boundary promises well-formed UTF-8; readers stay memory-safe without that promise.
struct PackedTexts {
  const char* bytes = nullptr;
  const uint64_t* offsets = nullptr;  // [count + 1]
  size_t count = 0;
};

struct TokenBatch {
  std::vector<int32_t> token_ids;     // [tokens]
  std::vector<int32_t> cu_seqlens;    // [count + 1], first 0, last tokens
  std::vector<int32_t> full_lengths;  // [count] tokens before truncation, specials included
};

}  // namespace simgpt
