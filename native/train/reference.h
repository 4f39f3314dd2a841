// The oracle of training: BERT padded, one plain operator after another, gradients by autograd,
// float64. Only tests use it. Dropout masks come from the counters, one word at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>

#include "train/trainable.h"

namespace simgpt {

struct ReferenceResult {
  at::Tensor embeddings;  // [sequences, dimensions]
  double loss = 0, mlm_loss = 0;
  std::map<std::string, at::Tensor> gradients;  // of the parameters that train
};

// loss: of the embeddings, in operators that autograd follows
ReferenceResult reference_step(const TrainSpec& spec, const std::vector<Parameter>& parameters,
                               const TrainRows& rows, const AccumulateOptions& options,
                               const std::function<at::Tensor(const at::Tensor&)>& loss);

}  // namespace simgpt
