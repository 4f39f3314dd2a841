#include "head.h"

#include <ATen/ATen.h>

#include "error.h"

namespace simgpt {

at::Tensor activate(const at::Tensor& x, DenseActivation activation) {
  switch (activation) {
    case DenseActivation::kIdentity:
      return x;
    case DenseActivation::kTanh:
      return at::tanh(x);
    case DenseActivation::kRelu:
      return at::relu(x);
    case DenseActivation::kGelu:
      return at::gelu(x);
  }
  throw Error("unsupported", "unknown activation of a dense module");
}

Projection::Projection(const EncoderSpec& spec, const LinearWeights& head,
                       const CancelToken& cancel)
    : dimensions_(spec.config.hidden_size * static_cast<int64_t>(spec.pooling.size())) {
  const bool wide = spec.precision == Precision::kFloat64;
  const auto add = [&](LinearWeights weights, DenseActivation activation) {
    if (wide) {
      weights.weight = weights.weight.to(at::kDouble);
      if (weights.bias.defined()) weights.bias = weights.bias.to(at::kDouble);
    }
    dimensions_ = weights.weight.size(0);
    steps_.push_back({std::move(weights), activation});
  };
  if (spec.head != Head::kNone) {
    if (spec.pooling.size() != 1) {
      throw Error("modelInvalid", "expected one pooling before a head, received " +
                                      std::to_string(spec.pooling.size()));
    }
    add(head, DenseActivation::kTanh);
  }
  for (const DenseSpec& dense : spec.dense) {
    if (dense.in_features != dimensions_) {
      throw Error("modelInvalid", dense.weights + ": expected in_features " +
                                      std::to_string(dimensions_) +
                                      ", the width of what comes before, received " +
                                      std::to_string(dense.in_features));
    }
    add(read_dense_weights(dense, cancel), dense.activation);
  }
}

at::Tensor Projection::forward(const at::Tensor& pooled) const {
  at::Tensor x = pooled;
  for (const Step& step : steps_) {
    x = activate(at::linear(x, step.weights.weight, step.weights.bias), step.activation);
  }
  return x;
}

int64_t Projection::memory_bytes() const {
  int64_t bytes = 0;
  for (const Step& step : steps_) {
    bytes += static_cast<int64_t>(step.weights.weight.nbytes());
    if (step.weights.bias.defined()) bytes += static_cast<int64_t>(step.weights.bias.nbytes());
  }
  return bytes;
}

}  // namespace simgpt
