// From hidden states per token to one vector per sequence: METHODS 1.3 and sentence-transformers'
// max and mean_sqrt_len. Bounds come from cu_seqlens, never from padding (METHODS D10).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "layers.h"

namespace simgpt {

HiddenRequest hidden_request(const std::vector<Pooling>& pooling);

// The poolings side by side, in order.
// states       [rows, hidden] each; cu_seqlens [sequences + 1]
// returns      [sequences, poolings * hidden] float32, or float64 for float64 states;
//              an empty sequence gives zeros
// Plain ATen operators, any device: the reference's and CUDA's.
at::Tensor pool_reference(const HiddenStates& states, const std::vector<int32_t>& cu_seqlens,
                          const std::vector<Pooling>& pooling);
// The same in one pass over the rows; CPU, float32 or bfloat16.
at::Tensor pool_cpu(const HiddenStates& states, const std::vector<int32_t>& cu_seqlens,
                    const std::vector<Pooling>& pooling);
// The way back, any of the two: from d_pooled [sequences, poolings * hidden] to the gradients of
// the states that are read; float32 or float64, as the states; CPU.
HiddenStates pool_backward(const HiddenStates& states, const std::vector<int32_t>& cu_seqlens,
                           const std::vector<Pooling>& pooling, const at::Tensor& d_pooled);

// Rows divided by their length, at least 1e-12 (as torch.nn.functional.normalize). In place.
void normalize_rows(at::Tensor& rows);

}  // namespace simgpt
