// The tensors of a BERT or RoBERTa checkpoint by role, read from safetensors and checked: names,
// shapes against the config, finite values. Plain float32, on the CPU.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "cancellation.h"
#include "spec.h"

namespace simgpt {

struct LinearWeights {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]
};

struct LayerNormWeights {
  at::Tensor weight;  // [hidden]
  at::Tensor bias;    // [hidden]
};

struct LayerWeights {
  LinearWeights query, key, value;  // [hidden, hidden]
  LinearWeights attention_output;   // [hidden, hidden]
  LayerNormWeights attention_norm;
  LinearWeights intermediate;  // [intermediate, hidden]
  LinearWeights output;        // [hidden, intermediate]
  LayerNormWeights output_norm;
};

struct EncoderWeights {
  at::Tensor word_embeddings;        // [vocab, hidden]
  at::Tensor position_embeddings;    // [positions, hidden]
  at::Tensor token_type_embeddings;  // [types, hidden]
  LayerNormWeights embedding_norm;
  std::vector<LayerWeights> layers;
  at::Tensor prompt;   // [k, 2 layers * hidden] of a deep prompt; undefined where there is none
  LinearWeights head;  // pooler or MLP head [hidden, hidden]; undefined where there is none
};

// Reads the encoder and its head. Throws Error("modelInvalid") naming the tensor and the file.
EncoderWeights read_encoder_weights(const EncoderSpec& spec, const CancelToken& cancel);
// The deep prompt alone, of spec.prompt_length rows.
at::Tensor read_prompt_weights(const EncoderSpec& spec, const CancelToken& cancel);
// Reads linear.weight and linear.bias of one dense module.
LinearWeights read_dense_weights(const DenseSpec& spec, const CancelToken& cancel);

// The head that predicts masked tokens; its decoder is the table of word embeddings.
struct LmHeadWeights {
  LinearWeights dense;  // [hidden, hidden]
  LayerNormWeights norm;
  at::Tensor decoder_bias;  // [vocab]
};
// BERT's cls.predictions or RoBERTa's lm_head; absent where the checkpoint has none.
std::optional<LmHeadWeights> read_lm_head_weights(const EncoderSpec& spec,
                                                  const CancelToken& cancel);

int64_t memory_bytes(const EncoderWeights& weights);

}  // namespace simgpt
