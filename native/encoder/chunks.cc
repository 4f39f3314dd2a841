#include "chunks.h"

#include <algorithm>
#include <numeric>

namespace simgpt {

int64_t round_rows(int64_t tokens) {
  const int64_t step = tokens <= 64 ? 16 : (tokens <= 256 ? 32 : 64);
  return (tokens + step - 1) / step * step;
}

std::vector<Chunk> plan_chunks(const std::vector<int32_t>& cu_seqlens, int64_t max_tokens) {
  const auto length = [&](int64_t i) -> int64_t { return cu_seqlens[i + 1] - cu_seqlens[i]; };
  std::vector<int64_t> order(cu_seqlens.size() - 1);
  std::iota(order.begin(), order.end(), 0);
  std::erase_if(order, [&](int64_t i) { return length(i) == 0; });
  std::ranges::stable_sort(order, [&](int64_t a, int64_t b) { return length(a) > length(b); });

  std::vector<Chunk> chunks;
  for (size_t next = 0; next < order.size();) {
    // Among the ends that fill at least three quarters of the budget, the one with least filler.
    int64_t tokens = 0;
    int64_t best_tokens = 0;
    size_t best_end = next;
    for (size_t end = next; end < order.size(); ++end) {
      const int64_t grown = tokens + length(order[end]);
      if (end > next && grown > max_tokens) break;
      tokens = grown;
      const bool better = (round_rows(tokens) - tokens) * best_tokens <=
                          (round_rows(best_tokens) - best_tokens) * tokens;
      if (best_end == next || best_tokens * 4 < max_tokens * 3 || better ||
          end + 1 == order.size()) {
        best_tokens = tokens;
        best_end = end + 1;
      }
    }
    Chunk chunk;
    chunk.sequences.assign(order.begin() + static_cast<int64_t>(next),
                           order.begin() + static_cast<int64_t>(best_end));
    chunk.tokens = best_tokens;
    chunk.rows = round_rows(best_tokens);
    chunks.push_back(std::move(chunk));
    next = best_end;
  }
  return chunks;
}

}  // namespace simgpt
