// Sum of masked token states over their count, then unit length: one pass over the packed rows.
// Reimers & Gurevych 2019, mean pooling; METHODS 1.3.
#pragma once

#include <ATen/core/Tensor.h>

namespace simgpt {

// hidden       [tokens, hidden] float32 or bfloat16, contiguous, CPU or CUDA
// cu_seqlens   [sequences + 1] int32 on the same device, first 0, last tokens
// returns      [sequences, hidden] float32, unit rows; an empty sequence gives zeros, never NaN
// The CUDA form runs on the current stream and asks for the plugin.
at::Tensor mean_pool_normalized(const at::Tensor& hidden, const at::Tensor& cu_seqlens);

}  // namespace simgpt
