// A BERT or RoBERTa that trains. On the CPU: packed rows forwards and backwards, without autograd,
// float32 or float64. Equal inputs give equal bits, whatever the number of threads; the head of
// masked language modelling alone runs on LibTorch's operators, whose sums follow the thread count.
// As reference and on CUDA (operator_model.h): plain operators and autograd, in bfloat16 too; equal
// to the packed rows' gradients in float64, with the same dropout masks bit for bit.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cancellation.h"
#include "encoder/spec.h"
#include "tokenizer/token_batch.h"

namespace simgpt {

// METHODS 1.5. A head and dense modules train with every preset, with bitFit their biases; the
// language-model head trains with kAll, kDeepPrompt and kLora.
enum class Trains { kAll, kBitFit, kDeepPrompt, kLora, kHead };

// Masked language modelling beside the loss on the embeddings (METHODS 1.4).
struct MlmSpec {
  double mask_rate = 0.15;           // share of the tokens chosen, 0 to 1
  int32_t mask_token_id = 0;         // what 80 % of the chosen tokens become
  std::vector<int32_t> special_ids;  // never chosen
};

struct TrainSpec {
  // precision kBfloat16 not on backend kCpu. `head` is the head in training.
  EncoderSpec encoder;
  Trains trains = Trains::kAll;
  bool fresh_head = false;           // draw the mlp head anew instead of reading it (METHODS 1.3)
  bool head_when_evaluating = true;  // false: embed() without dropout leaves the head out
  double initializer_range = 0.02;   // standard deviation of what is drawn anew
  double hidden_dropout = 0.1;
  double attention_dropout = 0.1;
  int64_t prompt_length = 0;      // k rows of kDeepPrompt; real tokens take positions from k on
  int64_t prompt_projection = 0;  // width of the reparameterisation, 0: none
  int64_t lora_rank = 16;
  double lora_alpha = 32;
  std::optional<MlmSpec> mlm;
  uint64_t seed = 0;  // of what is drawn anew
};

// The sequences of one step, in the caller's order. (example id, role) tells a sequence's dropout
// masks; equal pairs have equal masks.
struct TrainRows {
  TokenBatch tokens;
  std::vector<uint32_t> example_ids;  // [sequences]
  std::vector<uint8_t> roles;         // [sequences] 0 anchor, 1 positive, 2 + t hard negative t
};

struct DropoutKey {
  uint64_t seed = 0;
  uint32_t step = 0;
};

struct Parameter {
  std::string name;  // as in the checkpoint, without "bert." or "roberta."
  at::Tensor value;  // contiguous; written in place by the optimizer
  at::Tensor grad;   // of the same shape; undefined where not trainable
  bool trainable = false;
  bool decays = false;  // false for biases and LayerNorm (METHODS 1.6)
};

// How many numbers a spec trains; from the config alone, no file is read.
struct TrainableCount {
  int64_t total = 0;  // parameters of the encoder, its head and what is added
  int64_t trainable = 0;
};
TrainableCount count_trainable(const TrainSpec& spec);

struct AccumulateOptions {
  std::optional<DropoutKey> dropout;  // absent: no dropout
  int64_t chunk_tokens = 0;           // most tokens in memory at once; 0: what 768 MB hold
  double mlm_weight = 0;              // mu of METHODS 1.4; > 0 asks for spec.mlm and `dropout`
};

struct AccumulateResult {
  double mlm_loss = 0;  // mean over all masked tokens of the batch, before mlm_weight
  int64_t masked_tokens = 0;
  int64_t chunks = 0;  // 1: nothing was computed twice
};

// embeddings [sequences, dimensions] in the rows' order, not normalised -> their gradient, of the
// same shape and dtype. Called once, on the job's thread.
using EmbeddingGradient = std::function<at::Tensor(const at::Tensor& embeddings)>;

class TrainableModel {
 public:
  virtual ~TrainableModel() = default;

  // Reads the checkpoint and draws what is new. Throws what Encoder::load throws.
  static std::unique_ptr<TrainableModel> create(const TrainSpec& spec, const CancelToken& cancel);

  // In a fixed order; the references stay valid.
  virtual std::vector<Parameter>& parameters() = 0;
  // To be called after values were written: what was derived from them is made anew.
  virtual void parameters_changed() = 0;
  virtual void zero_gradients() = 0;

  // [sequences, dimensions] on the CPU; without a key in evaluation mode. Keeps nothing for a
  // backward pass.
  virtual at::Tensor embed(const TrainRows& rows, const std::optional<DropoutKey>& key,
                           int64_t chunk_tokens, const CancelToken& cancel) = 0;
  // Adds the gradient of <embeddings, gradient(embeddings)> + mlm_weight * MLM loss to every
  // trainable parameter's grad. A batch above chunk_tokens goes through the gradient cache
  // (METHODS 1.7), which gives the same sums. Where it throws, every gradient is zero: half a sum
  // is of no use.
  virtual AccumulateResult accumulate(const TrainRows& rows, const AccumulateOptions& options,
                                      const EmbeddingGradient& gradient,
                                      const CancelToken& cancel) = 0;

  // The first parameter whose gradient holds NaN or infinity.
  virtual std::optional<std::string> first_non_finite_gradient(const CancelToken& cancel) const = 0;

  // The encoder and its head under their checkpoint names, float32, LoRA merged into the weights:
  // what a checkpoint holds. A deep prompt is not part of it.
  virtual std::vector<std::pair<std::string, at::Tensor>> checkpoint_tensors() const = 0;
  // LoRA's A and B, or the deep prompt (after its reparameterisation), float32; else empty.
  virtual std::vector<std::pair<std::string, at::Tensor>> adapter_tensors() const = 0;

  virtual int64_t dimensions(bool evaluating) const = 0;
  virtual int64_t memory_bytes() const = 0;  // values, gradients and what is derived from them
  virtual const TrainSpec& spec() const = 0;
};

}  // namespace simgpt
