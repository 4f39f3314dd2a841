// What follows the pooling: the head of METHODS 1.3 and sentence-transformers' dense modules.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cancellation.h"
#include "spec.h"
#include "weights.h"

namespace simgpt {

at::Tensor activate(const at::Tensor& x, DenseActivation activation);

class Projection {
 public:
  // head: undefined weights where the spec has no head
  Projection(const EncoderSpec& spec, const LinearWeights& head, const CancelToken& cancel);

  // pooled [sequences, poolings * hidden] float32 or float64 -> [sequences, dimensions]
  at::Tensor forward(const at::Tensor& pooled) const;
  bool empty() const { return steps_.empty(); }
  int64_t dimensions() const { return dimensions_; }
  int64_t memory_bytes() const;

 private:
  struct Step {
    LinearWeights weights;
    DenseActivation activation;
  };
  std::vector<Step> steps_;
  int64_t dimensions_ = 0;
};

}  // namespace simgpt
