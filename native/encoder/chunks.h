// How a set of sequences is cut into chunks: by a token budget, longest first, neighbours of equal
// length, and row counts from a short list. Plain C++.
#pragma once

#include <cstdint>
#include <vector>

namespace simgpt {

struct Chunk {
  std::vector<int64_t> sequences;  // indices into the batch, in row order
  int64_t tokens = 0;
  int64_t rows = 0;  // tokens rounded up by round_rows
};

// oneDNN prepares a kernel for each row count it meets, at up to 12 ms each: row counts are rounded
// up to a multiple of 16 (to 64), 32 (to 256) or 64, so that few exist.
int64_t round_rows(int64_t tokens);

// A pure function of its arguments. Longest sequences first, so that memory peaks at the start;
// ties in input order. A sequence longer than the budget is a chunk of its own. Empty sequences
// come in no chunk.
// cu_seqlens   [sequences + 1]
// max_tokens   the budget, > 0
std::vector<Chunk> plan_chunks(const std::vector<int32_t>& cu_seqlens, int64_t max_tokens);

}  // namespace simgpt
