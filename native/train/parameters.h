// What a trainable model consists of: every parameter by its checkpoint name, and the same tensors
// by their role in the network. METHODS 1.5 says which of them train.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "train/trainable.h"

namespace simgpt {

enum class ParameterGroup { kEncoder, kHead, kDense, kPrompt, kLora, kLmHead };
enum class InitialValue { kCheckpoint, kNormal, kUniform, kZero, kOne };

struct ParameterLayout {
  std::string name;
  std::vector<int64_t> shape;
  ParameterGroup group = ParameterGroup::kEncoder;
  InitialValue initial = InitialValue::kCheckpoint;
};

// By the config alone, in the order of TrainableModel::parameters(). `has_lm_head`: the checkpoint
// has the language-model head that spec.mlm asks for; else it is drawn.
std::vector<ParameterLayout> parameter_layout(const TrainSpec& spec, bool has_lm_head);
bool is_trainable(const ParameterLayout& parameter, Trains trains);
bool decays(const std::string& name);

// B A of one linear layer, or of one of query, key and value: W' = W + alpha / r B A.
struct LoraAdapter {
  int64_t first_row = 0;  // where its rows begin in the fused weight
  at::Tensor a, b;        // [r, in], [out, r]
  at::Tensor a_grad, b_grad;
};

struct LinearParameters {
  at::Tensor weight, bias;            // [out, in], [out]
  at::Tensor weight_grad, bias_grad;  // undefined where not trained
  std::vector<LoraAdapter> lora;
  // Derived from the above, see refresh():
  at::Tensor effective;   // [out, in]: weight with LoRA merged in
  at::Tensor transposed;  // [in, out] of effective
};

struct NormParameters {
  at::Tensor weight, bias;  // [hidden]
  at::Tensor weight_grad, bias_grad;
};

struct TableParameters {
  at::Tensor rows;  // [ids, hidden]
  at::Tensor grad;
};

struct LayerParameters {
  LinearParameters qkv;  // query, key and value, one below the other
  LinearParameters attention_output;
  NormParameters attention_norm;
  LinearParameters intermediate;
  LinearParameters output;
  NormParameters output_norm;
};

// The deep prompt: a table [k, 2 L hidden], or [k, hidden] before a reparameterisation of two
// linear layers with tanh between them (METHODS 1.5).
struct PromptParameters {
  TableParameters table;
  LinearParameters inner, outer;  // undefined without reparameterisation
};

struct LmHeadParameters {
  LinearParameters dense;
  NormParameters norm;
  at::Tensor decoder_bias, decoder_bias_grad;  // [vocab]
};

class ParameterSet {
 public:
  ParameterSet(const TrainSpec& spec, const CancelToken& cancel);

  std::vector<Parameter> list;
  TableParameters word, position, type;
  NormParameters embedding_norm;
  std::vector<LayerParameters> layers;
  std::vector<LinearParameters> projection;  // the head, then the dense modules
  PromptParameters prompt;
  LmHeadParameters lm_head;

  // Makes `effective` and `transposed` anew where their weights can have changed.
  void refresh();
  int64_t memory_bytes() const;

  // float32: the encoder with LoRA merged in, its head, dense modules and language-model head.
  std::vector<std::pair<std::string, at::Tensor>> checkpoint_tensors() const;
  // float32: LoRA's A and B.
  std::vector<std::pair<std::string, at::Tensor>> lora_tensors() const;

 private:
  struct Tensors {
    at::Tensor value, grad;
  };
  Tensors tensors(const std::string& name) const;
  LinearParameters linear(const std::string& name) const;
  NormParameters norm(const std::string& name) const;
  void adopt(const TrainSpec& spec);
  LayerParameters layer(const std::string& base) const;
  // The encoder's linear layers, whose derived forms the network reads.
  std::vector<LinearParameters*> encoder_linears();

  double lora_factor_ = 0;
  bool derived_ = false;
};

}  // namespace simgpt
