// What an encoder is loaded from: plain values, checked for meaning in TypeScript (checkpoint.ts)
// and for what could corrupt memory here. No ATen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace simgpt {

enum class ModelType { kBert, kRoberta };
// `gelu` means erf; `gelu_new` and `gelu_pytorch_tanh` mean tanh (PERFORMANCE 9): never mixed.
enum class Activation { kGelu, kGeluTanh };
enum class Pooling {
  kCls,
  kMean,
  kMax,
  kMeanSqrtLen,
  kWeightedMean,
  kLastToken,
  kFirstLastMean,
  kLastTwoMean,
  kEmbeddingLastMean,  // kFirstLastMean with H^(0) for H^(1) (METHODS D6)
};
enum class Head { kNone, kPooler, kMlp };
enum class DenseActivation { kIdentity, kTanh, kRelu, kGelu };
enum class Backend { kReference, kCpu, kCuda };
enum class Precision { kFloat32, kBfloat16, kFloat64 };  // kFloat64: reference only

struct EncoderConfig {
  ModelType model_type = ModelType::kBert;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t layer_count = 0;
  int64_t head_count = 0;
  int64_t intermediate_size = 0;
  int64_t max_positions = 0;  // rows of the position table
  int64_t type_vocab_size = 0;
  int64_t position_offset = 0;  // id of a sequence's first position: BERT 0, RoBERTa padding id + 1
  int64_t pad_token_id = 0;
  double layer_norm_eps = 1e-12;
  Activation activation = Activation::kGelu;
};

struct TokenizerSpec {
  enum class Kind { kTokenizerJson, kWordPiece, kByteLevelBpe } kind = Kind::kTokenizerJson;
  std::string path;         // tokenizer.json, vocab.txt or vocab.json
  std::string merges_path;  // byte-level BPE only
  bool lowercase = false;
  std::optional<bool> strip_accents;  // absent: as lowercase
  bool handle_chinese_chars = true;
  bool add_prefix_space = false;
  bool roberta_specials = false;
};

// One 2_Dense module of a sentence-transformers folder: y = activation(W x + b).
struct DenseSpec {
  std::string weights;  // safetensors with linear.weight [out, in] and linear.bias [out]
  int64_t in_features = 0;
  int64_t out_features = 0;
  bool bias = true;
  DenseActivation activation = DenseActivation::kTanh;
};

struct EncoderSpec {
  EncoderConfig config;
  TokenizerSpec tokenizer;
  std::vector<std::string> weights;  // safetensors files, the shards in any order
  std::vector<Pooling> pooling;      // concatenated in order
  Head head = Head::kNone;
  std::vector<DenseSpec> dense;
  // A deep prompt (METHODS 1.5): safetensors with prefix_encoder.embedding.weight [k, 2 layers x
  // hidden], and its k, which the first real token's position is shifted by (D18). Empty: none.
  std::string deep_prompt;
  int64_t prompt_length = 0;
  int64_t max_tokens = 0;  // specials included
  Backend backend = Backend::kCpu;
  Precision precision = Precision::kFloat32;
};

}  // namespace simgpt
