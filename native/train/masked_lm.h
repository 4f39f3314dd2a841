// Masked language modelling (Devlin et al. 2019; METHODS 1.4): which tokens are predicted, and the
// head that predicts them, forwards and backwards in plain operators.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cancellation.h"
#include "train/parameters.h"

namespace simgpt {

struct MaskedRows {
  TrainRows rows;               // with masked and replaced ids
  std::vector<int32_t> labels;  // [tokens] the id to predict, -1: none
  int64_t masked = 0;           // how many are predicted
};

// Of the tokens that are no special ones, each is predicted with probability mask_rate; of those
// 80 % are masked, 10 % become any token of the vocabulary, 10 % stay. A function of the key and of
// each sequence's (example id, role).
MaskedRows mask_tokens(const TrainRows& rows, const TrainSpec& spec, const DropoutKey& key);

// Dense, GELU, LayerNorm, then the word embeddings as the decoder.
class MaskedLmHead {
 public:
  MaskedLmHead(const TrainSpec& spec, const ParameterSet& parameters)
      : spec_(spec), parameters_(parameters) {}

  // states       [predicted, hidden]; labels [predicted] int64
  // factor       multiplies the gradients
  // returns      the sum of the cross-entropies in nats; d_states [predicted, hidden] is written
  // Adds to the gradients of the head and, where they train, of the word embeddings.
  double accumulate(const at::Tensor& states, const at::Tensor& labels, double factor,
                    at::Tensor& d_states, const CancelToken& cancel) const;

 private:
  double accumulate_part(const at::Tensor& states, const at::Tensor& labels, double factor,
                         at::Tensor d_states) const;

  const TrainSpec& spec_;
  const ParameterSet& parameters_;
};

}  // namespace simgpt
