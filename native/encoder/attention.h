// Attention over packed rows on the CPU with stock operators. Chunks are sorted by length, so
// sequences of equal length are neighbours, and attention over such a run is a strided view.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace simgpt {

// softmax(Q K^T / sqrt(size)) V for every sequence and head; bidirectional (Vaswani et al. 2017).
// qkv          [rows, 3 * hidden] float32 or bfloat16, contiguous: query, key, value side by side
// cu_seqlens   [sequences + 1], first 0, last <= rows
// returns      [rows, hidden]; rows that belong to no sequence are zero
at::Tensor packed_attention(const at::Tensor& qkv, const std::vector<int32_t>& cu_seqlens,
                            int64_t head_count);

}  // namespace simgpt
