// Linear layers with an activation behind each, one after the other, over few rows: the head and
// the dense modules behind the pooling, and the deep prompt's reparameterisation. Plain operators.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "encoder/spec.h"
#include "train/parameters.h"

namespace simgpt {

struct DenseStep {
  const LinearParameters* linear = nullptr;
  DenseActivation activation = DenseActivation::kIdentity;
};

class DenseChain {
 public:
  DenseChain() = default;
  explicit DenseChain(std::vector<DenseStep> steps) : steps_(std::move(steps)) {}

  bool empty() const { return steps_.empty(); }
  // x [rows, in] -> [rows, out]; keeps what backward() needs.
  at::Tensor forward(const at::Tensor& x);
  // The gradient of x; adds to the gradients of the layers that train.
  at::Tensor backward(const at::Tensor& gradient);

 private:
  std::vector<DenseStep> steps_;
  std::vector<at::Tensor> inputs_, sums_;  // of each step, and before its activation
};

// Adds dY^T X and the column sums of dY where they train; returns dY W.
at::Tensor linear_backward(const LinearParameters& linear, const at::Tensor& x,
                           const at::Tensor& gradient);

}  // namespace simgpt
