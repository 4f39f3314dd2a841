#include "attention.h"

#include <ATen/ATen.h>

#include <cmath>

namespace simgpt {
namespace {

// From this length on LibTorch's flash kernel beats two batched products and a softmax; below it
// the kernel's set-up per sequence and head costs up to three times the work itself (measured on
// Zen 5, heads of 32 and 64).
constexpr int64_t kFlashLength = 256;

struct Run {
  int64_t first_row;
  int64_t sequences;
  int64_t length;
};

// Neighbouring sequences of equal length.
std::vector<Run> equal_length_runs(const std::vector<int32_t>& cu_seqlens) {
  std::vector<Run> runs;
  for (size_t i = 0; i + 1 < cu_seqlens.size(); ++i) {
    const int64_t length = cu_seqlens[i + 1] - cu_seqlens[i];
    if (length == 0) continue;
    if (!runs.empty() && runs.back().length == length) {
      ++runs.back().sequences;
    } else {
      runs.push_back({cu_seqlens[i], 1, length});
    }
  }
  return runs;
}

// q, k, v [sequences * heads, length, size]; returns the same shape
at::Tensor batched_products(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(2)));
  at::Tensor scores = at::empty({q.size(0), q.size(1), k.size(1)}, q.options());
  at::baddbmm_out(scores, scores, q, k.transpose(1, 2), /*beta=*/0, /*alpha=*/scale);
  at::_softmax_out(scores, scores, -1, /*half_to_float=*/false);
  return at::bmm(scores, v);
}

}  // namespace

std::vector<PrefixRows> prefix_rows(const at::Tensor& prompt, int64_t layers, int64_t heads) {
  if (!prompt.defined()) return std::vector<PrefixRows>(static_cast<size_t>(layers));
  // [2 layers, heads, k, size]
  const at::Tensor split =
      prompt.view({prompt.size(0), 2 * layers, heads, -1}).permute({1, 2, 0, 3}).contiguous();
  std::vector<PrefixRows> rows;
  for (int64_t layer = 0; layer < layers; ++layer) {
    rows.push_back({split[2 * layer], split[2 * layer + 1]});
  }
  return rows;
}

at::Tensor with_prefix(const at::Tensor& prefix, const at::Tensor& rows) {
  if (!prefix.defined()) return rows;
  return at::cat({prefix.unsqueeze(0).expand({rows.size(0), -1, -1, -1}), rows}, 2);
}

at::Tensor packed_attention(const at::Tensor& qkv, const std::vector<int32_t>& cu_seqlens,
                            int64_t head_count, const PrefixRows& prefix) {
  const int64_t hidden = qkv.size(1) / 3;
  const int64_t size = hidden / head_count;
  at::Tensor out = at::empty({qkv.size(0), hidden}, qkv.options());
  for (const Run& run : equal_length_runs(cu_seqlens)) {
    const int64_t end = run.first_row + run.sequences * run.length;
    const at::Tensor rows = qkv.slice(0, run.first_row, end);
    const at::Tensor target = out.slice(0, run.first_row, end);
    if (run.length == 1 && !prefix.keys.defined()) {  // one key: its softmax is 1
      target.copy_(rows.slice(1, 2 * hidden));
      continue;
    }
    // [3, sequences, heads, length, size]
    const at::Tensor split =
        rows.view({run.sequences, run.length, 3, head_count, size}).permute({2, 0, 3, 1, 4});
    const at::Tensor target_heads =  // [sequences, heads, length, size]
        target.view({run.sequences, run.length, head_count, size}).transpose(1, 2);
    if (run.length >= kFlashLength) {
      target_heads.copy_(at::scaled_dot_product_attention(
          split[0], with_prefix(prefix.keys, split[1]), with_prefix(prefix.values, split[2])));
      continue;
    }
    const int64_t heads = run.sequences * head_count;
    const at::Tensor dense = split.contiguous();
    const auto flat = [&](const at::Tensor& part) { return part.view({heads, -1, size}); };
    target_heads.copy_(batched_products(flat(dense[0]), flat(with_prefix(prefix.keys, dense[1])),
                                        flat(with_prefix(prefix.values, dense[2])))
                           .view(target_heads.sizes()));
  }
  if (cu_seqlens.back() < out.size(0)) out.slice(0, cu_seqlens.back()).zero_();
  return out;
}

}  // namespace simgpt
