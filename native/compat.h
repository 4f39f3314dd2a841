// Every LibTorch operator that moves between releases, found by name through the dispatcher with
// its arity checked, so that a changed signature is one clear error and not a crash (PERFORMANCE
// 8).
#pragma once

#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>

#include <optional>

namespace simgpt::compat {

enum class Epilogue { kNone, kGelu, kGeluTanh };

// The oneDNN packed linear layer, float32 or bfloat16. Weights become opaque to everything else.
// weight [out, in], contiguous; rows_hint: rows of a typical call
at::Tensor onednn_pack_linear_weight(const at::Tensor& weight, int64_t rows_hint);
// x [rows, in] -> [rows, out]: epilogue(x W^T + bias)
at::Tensor onednn_linear(const at::Tensor& x, const at::Tensor& packed_weight,
                         const std::optional<at::Tensor>& bias, Epilogue epilogue);
// x W^T + bias + other; other [rows, out]
at::Tensor onednn_linear_add(const at::Tensor& x, const at::Tensor& other,
                             const at::Tensor& packed_weight,
                             const std::optional<at::Tensor>& bias);

// Where packed sequences begin: cu_seqlens [sequences + 1] int32 on the device.
struct SequenceBounds {
  at::Tensor cu_seqlens;
  int64_t max_seqlen = 0;
};
// Attention over packed rows on CUDA. q [tokens, heads, size]; k, v [keys, heads, size]; returns
// [tokens, heads, size]; scores are divided by sqrt(size). bfloat16 takes the flash kernel, float32
// the memory-efficient one.
at::Tensor cuda_varlen_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 const SequenceBounds& queries, const SequenceBounds& keys);

// Adds the gradient of <root, gradient> to the leaves of its graph, on the calling thread alone; an
// undefined gradient is 1. LibTorch's engine starts a thread for each device at the process's first
// backward pass and never again: where that was before CUDA was opened, CUDA has none.
void backward(const at::Tensor& root, const at::Tensor& gradient);

}  // namespace simgpt::compat
