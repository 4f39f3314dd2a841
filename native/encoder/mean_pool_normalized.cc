#include "encoder/mean_pool_normalized.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "cuda/plugin_loader.h"
#include "error.h"

namespace simgpt {
namespace {

void check(const at::Tensor& hidden, const at::Tensor& cu_seqlens) {
  const bool usable = hidden.dim() == 2 && hidden.size(1) > 0 && hidden.is_contiguous() &&
                      (hidden.scalar_type() == at::kFloat || hidden.scalar_type() == at::kBFloat16);
  if (!usable) {
    throw Error(ErrorKind::kType,
                "expected hidden [tokens, hidden] of contiguous float32 or bfloat16");
  }
  if (cu_seqlens.dim() != 1 || cu_seqlens.size(0) < 1 || cu_seqlens.scalar_type() != at::kInt ||
      !cu_seqlens.is_contiguous() || cu_seqlens.device() != hidden.device()) {
    throw Error(ErrorKind::kType,
                "expected cu_seqlens [sequences + 1] of int32 on the device of hidden");
  }
}

void check_starts(const int32_t* starts, int64_t sequences, int64_t tokens) {
  const bool rising = std::is_sorted(starts, starts + sequences + 1);
  if (!rising || starts[0] != 0 || starts[sequences] != tokens) {
    throw Error(ErrorKind::kRange, "expected cu_seqlens to rise from 0 to " +
                                       std::to_string(tokens) + ", received other values");
  }
}

// One sequence: rows [length, hidden] into out [hidden], all zeros at the start.
template <typename Element>
void pool_rows(const Element* rows, int64_t length, int64_t hidden, float* out) {
  for (int64_t row = 0; row < length; ++row) {
    for (int64_t c = 0; c < hidden; ++c) out[c] += static_cast<float>(rows[row * hidden + c]);
  }
  const float inverse = length > 0 ? 1.0F / static_cast<float>(length) : 0.0F;
  float square = 0;
  for (int64_t c = 0; c < hidden; ++c) {
    out[c] *= inverse;
    square += out[c] * out[c];
  }
  const float scale = 1.0F / std::max(std::sqrt(square), 1e-12F);
  for (int64_t c = 0; c < hidden; ++c) out[c] *= scale;
}

template <typename Element>
void pool_all(const at::Tensor& hidden, const int32_t* starts, at::Tensor& out) {
  const Element* rows = hidden.const_data_ptr<Element>();
  float* pooled = out.data_ptr<float>();
  const int64_t width = hidden.size(1);
  at::parallel_for(0, out.size(0), 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      pool_rows(rows + starts[i] * width, starts[i + 1] - starts[i], width, pooled + i * width);
    }
  });
}

void pool_cuda(const at::Tensor& hidden, const at::Tensor& cu_seqlens, at::Tensor& out) {
  const bool narrow = hidden.scalar_type() == at::kBFloat16;
  cuda::MeanPoolArguments arguments{};
  arguments.hidden = hidden.const_data_ptr();
  arguments.cu_seqlens = cu_seqlens.const_data_ptr<int32_t>();
  arguments.out = out.data_ptr<float>();
  arguments.tokens = hidden.size(0);
  arguments.sequences = out.size(0);
  arguments.hidden_size = hidden.size(1);
  arguments.type = narrow ? cuda::ElementType::kBFloat16 : cuda::ElementType::kFloat32;
  arguments.device = hidden.device().index();
  std::array<char, 256> error{};
  if (cuda::plugin().mean_pool_normalized(&arguments, error.data(), error.size()) != 0) {
    throw Error("nativeFailure", error.data());
  }
}

}  // namespace

at::Tensor mean_pool_normalized(const at::Tensor& hidden, const at::Tensor& cu_seqlens) {
  check(hidden, cu_seqlens);
  const int64_t sequences = cu_seqlens.size(0) - 1;
  at::Tensor out = at::zeros({sequences, hidden.size(1)}, hidden.options().dtype(at::kFloat));
  if (hidden.is_cuda()) {
    pool_cuda(hidden, cu_seqlens, out);
    return out;
  }
  const int32_t* starts = cu_seqlens.const_data_ptr<int32_t>();
  check_starts(starts, sequences, hidden.size(0));
  if (hidden.scalar_type() == at::kFloat) {
    pool_all<float>(hidden, starts, out);
  } else {
    pool_all<at::BFloat16>(hidden, starts, out);
  }
  return out;
}

}  // namespace simgpt
