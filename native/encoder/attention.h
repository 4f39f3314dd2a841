// Attention over packed rows on the CPU with stock operators. Chunks are sorted by length, so
// sequences of equal length are neighbours, and attention over such a run is a strided view.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace simgpt {

// What a deep prompt puts before the keys and values of every sequence, in one layer (METHODS
// 1.5). [heads, k, size] each; undefined where there is none.
struct PrefixRows {
  at::Tensor keys, values;
};
// rows         [sequences, heads, length, size] -> [sequences, heads, k + length, size]: the
//              prefix's rows [heads, k, size], where there are any, before each sequence's own
at::Tensor with_prefix(const at::Tensor& prefix, const at::Tensor& rows);
// prompt       [k, 2 layers * hidden]: layer l's keys in slice 2l, its values in 2l + 1
std::vector<PrefixRows> prefix_rows(const at::Tensor& prompt, int64_t layers, int64_t heads);

// softmax(Q K^T / sqrt(size)) V for every sequence and head; bidirectional (Vaswani et al. 2017).
// K and V begin with the prefix's rows, which have no queries.
// qkv          [rows, 3 * hidden] float32 or bfloat16, contiguous: query, key, value side by side
// cu_seqlens   [sequences + 1], first 0, last <= rows
// returns      [rows, hidden]; rows that belong to no sequence are zero
at::Tensor packed_attention(const at::Tensor& qkv, const std::vector<int32_t>& cu_seqlens,
                            int64_t head_count, const PrefixRows& prefix = {});

}  // namespace simgpt
