// A linear layer prepared for inference: packed for oneDNN, or plain for MKL and CUDA.
#pragma once

#include <ATen/core/Tensor.h>

#include "compat.h"
#include "weights.h"

namespace simgpt {

enum class LinearKernel {
  kOneDnn,  // weights packed once, bias, GELU and residual inside the product
  kPlain,   // at::linear: MKL on the CPU, cuBLAS on CUDA
};

// By the CPU level, never by timing, so that results do not depend on the weather: oneDNN where
// AVX-512 is there (240-263 GFLOP/s a core against MKL's 81-113), MKL on AVX2 where it runs at
// the FMA ceiling. PERFORMANCE 2.1 and 2.4. bfloat16 always takes oneDNN.
LinearKernel cpu_linear_kernel(at::ScalarType dtype);

class Linear {
 public:
  Linear() = default;
  // weights float32 on the CPU; kept in `dtype` on `device`.
  Linear(const LinearWeights& weights, LinearKernel kernel, at::ScalarType dtype,
         at::Device device);

  // x [rows, in] -> [rows, out]
  at::Tensor forward(const at::Tensor& x,
                     compat::Epilogue epilogue = compat::Epilogue::kNone) const;
  // x W^T + bias + residual; residual [rows, out]
  at::Tensor forward_add(const at::Tensor& x, const at::Tensor& residual) const;
  int64_t memory_bytes() const { return bytes_; }

 private:
  LinearKernel kernel_ = LinearKernel::kPlain;
  at::Tensor weight_;  // [out, in], or oneDNN's own layout
  at::Tensor bias_;    // [out]
  int64_t bytes_ = 0;
};

}  // namespace simgpt
