// BERT and RoBERTa in plain operators, on whatever device its parameters are: packed rows, padded
// within a chunk for attention alone, gradients by autograd. The oracle of the packed kernels in
// float64, and what trains on CUDA. With bfloat16 the products of linear layers and of attention
// are bfloat16, everything else float32, parameters and their gradients too.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cancellation.h"
#include "encoder/layers.h"
#include "train/draw_operators.h"
#include "train/parameters.h"
#include "train/pass_rows.h"

namespace simgpt {

// Sequences of one pass on the device, all of it from one copy of integers.
struct OperatorRows {
  int64_t sequences = 0, longest = 0;
  at::Tensor ids;      // [sequences, longest] int64, padded behind each sequence
  at::Tensor lengths;  // [sequences] int64
  at::Tensor places;   // [tokens] int64: where the packed rows stand in sequences x longest
  DrawRows draws;
};

// sequences: which of `rows`, in the order of the pass.
OperatorRows place_rows(const TrainRows& rows, const std::vector<int64_t>& sequences,
                        const TrainSpec& spec, at::Device device);

class OperatorNetwork {
 public:
  // Both must outlive the network. The gradients of a backward pass are added to the parameters'.
  OperatorNetwork(const TrainSpec& spec, const ParameterSet& parameters);

  // float32, or float64: what flows between layers, and what parameters are.
  at::ScalarType wide() const { return wide_; }

  // [tokens, hidden] each, with its graph where gradients are recorded
  HiddenStates forward(const OperatorRows& rows, const PassDraws& draws,
                       const CancelToken& cancel) const;
  // [sequences, poolings * hidden]
  at::Tensor pool(const HiddenStates& states, const OperatorRows& rows) const;
  // The head and the dense modules: [sequences, dimensions]
  at::Tensor project(const at::Tensor& pooled) const;
  // The sum of the cross-entropies in nats of the language-model head: []
  // states [predicted, hidden]; labels [predicted] int64
  at::Tensor masked_entropy(const at::Tensor& states, const at::Tensor& labels) const;

  // [k, 2 L hidden], after its reparameterisation; undefined without a deep prompt
  at::Tensor prompt() const;

  // Bytes of its graph that a token of a chunk costs, padded to `longest`.
  int64_t bytes_per_token(int64_t longest) const;

 private:
  struct Pass;

  at::Tensor linear(const at::Tensor& x, const LinearParameters& linear) const;
  at::Tensor norm(const at::Tensor& x, const NormParameters& norm) const;
  at::Tensor embed(const Pass& pass) const;
  at::Tensor layer(const at::Tensor& x, const Pass& pass, int64_t index) const;
  at::Tensor attend(const at::Tensor& qkv, const Pass& pass, int64_t index) const;
  at::Tensor prefix(const Pass& pass, int64_t index) const;
  at::Tensor attention_elements(const OperatorRows& rows) const;
  at::Tensor drop_rows(const at::Tensor& x, const Pass& pass, int64_t layer, uint32_t site) const;

  const TrainSpec& spec_;
  const EncoderConfig& config_;
  at::ScalarType wide_, product_;
  // The parameters as leaves of graphs.
  TableParameters word_, position_, type_;
  NormParameters embedding_norm_;
  std::vector<LayerParameters> layers_;
  std::vector<LinearParameters> projection_;
  PromptParameters prompt_;
  LmHeadParameters lm_head_;
};

}  // namespace simgpt
