#include "pooling.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace simgpt {
namespace {

// A pooling as a weighted sum of rows over a denominator: sum_t weight(t) h_t / denominator(n),
// t from 0 within a sequence of n tokens.
struct WeightedSum {
  float (*weight)(int64_t t);
  double (*denominator)(int64_t n);
};

float one(int64_t) { return 1.0F; }
float position(int64_t t) { return static_cast<float>(t + 1); }
double count(int64_t n) { return static_cast<double>(n); }
double root(int64_t n) { return std::sqrt(static_cast<double>(n)); }
double triangle(int64_t n) { return static_cast<double>(n) * static_cast<double>(n + 1) / 2; }

WeightedSum weighted_sum(Pooling pooling) {
  switch (pooling) {
    case Pooling::kMeanSqrtLen:
      return {one, root};
    case Pooling::kWeightedMean:
      return {position, triangle};
    default:
      return {one, count};
  }
}

bool picks_one_row(Pooling pooling) {
  return pooling == Pooling::kCls || pooling == Pooling::kLastToken;
}

// The second state whose pool is averaged with the last layer's; undefined for most poolings.
const at::Tensor& partner(const HiddenStates& states, Pooling pooling) {
  static const at::Tensor none;
  if (pooling == Pooling::kFirstLastMean) return states.first;
  if (pooling == Pooling::kLastTwoMean) return states.before_last;
  if (pooling == Pooling::kEmbeddingLastMean) return states.embedding;
  return none;
}

at::Tensor reference_pool(const at::Tensor& hidden, const std::vector<int32_t>& cu_seqlens,
                          Pooling pooling) {
  const WeightedSum sum = weighted_sum(pooling);
  std::vector<at::Tensor> pooled;
  for (size_t i = 0; i + 1 < cu_seqlens.size(); ++i) {
    const int64_t begin = cu_seqlens[i], end = cu_seqlens[i + 1];
    const at::Tensor rows = hidden.slice(0, begin, end);  // [length, hidden]
    if (begin == end) {
      pooled.push_back(at::zeros({hidden.size(1)}, hidden.options()));
    } else if (pooling == Pooling::kCls) {
      pooled.push_back(rows[0]);
    } else if (pooling == Pooling::kLastToken) {
      pooled.push_back(rows[end - begin - 1]);
    } else if (pooling == Pooling::kMax) {
      pooled.push_back(rows.amax(0));
    } else {
      at::Tensor weights = at::ones({end - begin, 1}, hidden.options());
      if (sum.weight == position) weights = at::cumsum(weights, 0);
      pooled.push_back((rows * weights).sum(0) / sum.denominator(end - begin));
    }
  }
  return at::stack(pooled);
}

// One sequence's rows [length, hidden] added into out [hidden] with a factor.
void pool_sequence(const float* rows, int64_t length, int64_t hidden, Pooling pooling, float factor,
                   float* out) {
  if (picks_one_row(pooling)) {
    const float* row = pooling == Pooling::kCls ? rows : rows + (length - 1) * hidden;
    for (int64_t c = 0; c < hidden; ++c) out[c] += factor * row[c];
    return;
  }
  if (pooling == Pooling::kMax) {
    std::fill(out, out + hidden, -std::numeric_limits<float>::infinity());
    for (int64_t t = 0; t < length; ++t) {
      for (int64_t c = 0; c < hidden; ++c) out[c] = std::max(out[c], rows[t * hidden + c]);
    }
    return;
  }
  const WeightedSum sum = weighted_sum(pooling);
  const float scale = factor / static_cast<float>(sum.denominator(length));
  for (int64_t t = 0; t < length; ++t) {
    const float weight = scale * sum.weight(t);
    for (int64_t c = 0; c < hidden; ++c) out[c] += weight * rows[t * hidden + c];
  }
}

// The gradient of one sequence's pool [hidden] onto that of its rows [length, hidden].
template <typename T>
void pool_sequence_backward(const T* rows, int64_t length, int64_t hidden, Pooling pooling,
                            double factor, const T* d_pooled, T* d_rows) {
  if (pooling == Pooling::kMax) {
    for (int64_t c = 0; c < hidden; ++c) {
      int64_t best = 0;  // the first of equals
      for (int64_t t = 1; t < length; ++t) {
        if (rows[t * hidden + c] > rows[best * hidden + c]) best = t;
      }
      d_rows[best * hidden + c] += d_pooled[c];
    }
    return;
  }
  const bool one_row = picks_one_row(pooling);
  const int64_t first = pooling == Pooling::kLastToken ? length - 1 : 0;
  const WeightedSum sum = weighted_sum(pooling);
  const double scale = one_row ? factor : factor / sum.denominator(length);
  for (int64_t t = first; t < (one_row ? first + 1 : length); ++t) {
    const T weight = static_cast<T>(scale * (one_row ? 1.0F : sum.weight(t)));
    for (int64_t c = 0; c < hidden; ++c) d_rows[t * hidden + c] += weight * d_pooled[c];
  }
}

template <typename T>
HiddenStates pool_backward_of(const HiddenStates& states, const std::vector<int32_t>& cu_seqlens,
                              const std::vector<Pooling>& pooling, const at::Tensor& d_pooled) {
  HiddenStates gradients{at::zeros_like(states.last), {}, {}, {}};
  const int64_t hidden = states.last.size(1), width = d_pooled.size(1);
  for (size_t part = 0; part < pooling.size(); ++part) {
    at::Tensor* other = nullptr;
    if (pooling[part] == Pooling::kFirstLastMean) other = &gradients.first;
    if (pooling[part] == Pooling::kLastTwoMean) other = &gradients.before_last;
    if (pooling[part] == Pooling::kEmbeddingLastMean) other = &gradients.embedding;
    if (other != nullptr && !other->defined()) *other = at::zeros_like(states.last);
    for (size_t i = 0; i + 1 < cu_seqlens.size(); ++i) {
      const int64_t begin = cu_seqlens[i] * hidden, length = cu_seqlens[i + 1] - cu_seqlens[i];
      if (length == 0) continue;
      const T* from = d_pooled.const_data_ptr<T>() + static_cast<int64_t>(i) * width +
                      static_cast<int64_t>(part) * hidden;
      for (at::Tensor* target : {&gradients.last, other}) {
        if (target == nullptr) continue;
        pool_sequence_backward<T>(states.last.const_data_ptr<T>() + begin, length, hidden,
                                  pooling[part], other == nullptr ? 1.0 : 0.5, from,
                                  target->mutable_data_ptr<T>() + begin);
      }
    }
  }
  return gradients;
}

}  // namespace

HiddenStates pool_backward(const HiddenStates& states, const std::vector<int32_t>& cu_seqlens,
                           const std::vector<Pooling>& pooling, const at::Tensor& d_pooled) {
  return states.last.scalar_type() == at::kDouble
             ? pool_backward_of<double>(states, cu_seqlens, pooling, d_pooled)
             : pool_backward_of<float>(states, cu_seqlens, pooling, d_pooled);
}

HiddenRequest hidden_request(const std::vector<Pooling>& pooling) {
  const auto has = [&](Pooling mode) { return std::ranges::find(pooling, mode) != pooling.end(); };
  return {has(Pooling::kFirstLastMean), has(Pooling::kLastTwoMean),
          has(Pooling::kEmbeddingLastMean)};
}

at::Tensor pool_reference(const HiddenStates& states, const std::vector<int32_t>& cu_seqlens,
                          const std::vector<Pooling>& pooling) {
  const auto wide = [](const at::Tensor& x) {
    return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat);
  };
  std::vector<at::Tensor> parts;
  for (const Pooling mode : pooling) {
    at::Tensor part = reference_pool(wide(states.last), cu_seqlens, mode);
    if (const at::Tensor& other = partner(states, mode); other.defined()) {
      part = (part + reference_pool(wide(other), cu_seqlens, mode)) / 2;
    }
    parts.push_back(part);
  }
  return at::cat(parts, 1);
}

at::Tensor pool_cpu(const HiddenStates& states, const std::vector<int32_t>& cu_seqlens,
                    const std::vector<Pooling>& pooling) {
  const int64_t sequences = static_cast<int64_t>(cu_seqlens.size()) - 1;
  const int64_t hidden = states.last.size(1);
  const int64_t width = hidden * static_cast<int64_t>(pooling.size());
  at::Tensor out = at::zeros({sequences, width}, at::kFloat);
  const at::Tensor last = states.last.to(at::kFloat).contiguous();
  for (size_t part = 0; part < pooling.size(); ++part) {
    at::Tensor other = partner(states, pooling[part]);
    if (other.defined()) other = other.to(at::kFloat).contiguous();
    for (int64_t i = 0; i < sequences; ++i) {
      const int64_t begin = cu_seqlens[i], length = cu_seqlens[i + 1] - begin;
      if (length == 0) continue;
      float* target = out.data_ptr<float>() + i * width + static_cast<int64_t>(part) * hidden;
      const float factor = other.defined() ? 0.5F : 1.0F;
      for (const at::Tensor* state : {&last, static_cast<const at::Tensor*>(&other)}) {
        if (!state->defined()) continue;
        pool_sequence(state->const_data_ptr<float>() + begin * hidden, length, hidden,
                      pooling[part], factor, target);
      }
    }
  }
  return out;
}

void normalize_rows(at::Tensor& rows) {
  rows.div_(at::linalg_vector_norm(rows, 2, {1}, /*keepdim=*/true).clamp_min_(1e-12));
}

}  // namespace simgpt
