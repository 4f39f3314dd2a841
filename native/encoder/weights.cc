#include "weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <set>
#include <string_view>
#include <unordered_map>

#include "checkpoint/safetensors.h"
#include "error.h"

namespace simgpt {
namespace {

// Parts of published checkpoints that an encoder does not use: heads of the pre-training tasks and
// buffers that older releases stored. Anything else that no role asks for is refused.
constexpr std::array<std::string_view, 8> kUnusedPrefixes = {"pooler.",
                                                             "mlp.",
                                                             "cls.",
                                                             "lm_head.",
                                                             "classifier.",
                                                             "qa_outputs.",
                                                             "embeddings.position_ids",
                                                             "embeddings.token_type_ids"};

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + "]";
}

std::string list_text(const std::set<std::string>& names) {
  constexpr size_t kShown = 5;
  std::string text;
  size_t shown = 0;
  for (const auto& name : names) {
    if (shown == kShown) return text + " and " + std::to_string(names.size() - kShown) + " more";
    text += (shown++ == 0 ? "" : ", ") + name;
  }
  return text;
}

// Every tensor of the shards under its name without the architecture's prefix.
class TensorTable {
 public:
  TensorTable(const std::vector<std::string>& paths, const CancelToken& cancel) : cancel_(cancel) {
    for (const auto& path : paths) {
      cancel.poll();
      files_.push_back(SafetensorsFile::open(path));
      paths_.push_back(path);
    }
    for (size_t file = 0; file < files_.size(); ++file) {
      for (const auto& tensor : files_[file].tensors()) {
        std::string_view name = tensor.name;
        for (std::string_view prefix : {"bert.", "roberta."}) {
          if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
        }
        if (!entries_.emplace(modern_name(name), Entry{file, &tensor}).second) {
          throw Error("modelInvalid",
                      "tensor " + std::string(name) + " stands twice, again in " + paths_[file]);
        }
      }
    }
  }

  bool has(const std::string& name) const { return entries_.contains(name); }

  // The tensor as float32; remembered as used. A missing one is noted and read as undefined.
  at::Tensor take(const std::string& name, const std::vector<int64_t>& shape) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      missing_.insert(name);
      return {};
    }
    used_.insert(name);
    const auto& [file, info] = found->second;
    if (info->shape != shape) {
      throw Error("modelInvalid", "tensor " + info->name + " of " + paths_[file] +
                                      ": expected shape " + shape_text(shape) +
                                      " by the config, received " + shape_text(info->shape));
    }
    at::Tensor tensor = at::empty(shape, at::kFloat);
    files_[file].read_float32(*info, tensor.data_ptr<float>(), cancel_);
    if (!all_finite(tensor)) {
      throw Error("modelInvalid", "tensor " + info->name + " of " + paths_[file] +
                                      ": expected finite weights, received NaN or infinity");
    }
    return tensor;
  }

  LinearWeights take_linear(const std::string& name, int64_t out, int64_t in, bool bias = true) {
    LinearWeights linear{take(name + ".weight", {out, in}), {}};
    if (bias) linear.bias = take(name + ".bias", {out});
    return linear;
  }

  LayerNormWeights take_norm(const std::string& name, int64_t hidden) {
    return {take(name + ".weight", {hidden}), take(name + ".bias", {hidden})};
  }

  void refuse_missing() const {
    if (!missing_.empty()) {
      throw Error("modelInvalid", paths_.front() + ": missing tensors: " + list_text(missing_));
    }
  }

  // Throws when a tensor was missing, or when one is left that nothing reads.
  void finish() const {
    refuse_missing();
    std::set<std::string> extra;
    for (const auto& [name, entry] : entries_) {
      const bool unused = std::ranges::any_of(
          kUnusedPrefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
      if (!used_.contains(name) && !unused) extra.insert(entry.info->name);
    }
    if (!extra.empty()) {
      throw Error(
          "modelInvalid",
          paths_.front() + ": tensors that this architecture does not have: " + list_text(extra));
    }
  }

 private:
  struct Entry {
    size_t file;
    const TensorInfo* info;
  };

  // In pieces of 16 MB, polling between them.
  bool all_finite(const at::Tensor& tensor) const {
    for (const at::Tensor& piece : tensor.view({-1}).split(int64_t{4} << 20)) {
      cancel_.poll();
      if (!at::isfinite(piece).all().item<bool>()) return false;
    }
    return true;
  }

  // LayerNorm parameters of checkpoints from TensorFlow are called gamma and beta.
  static std::string modern_name(std::string_view name) {
    for (const auto& [old_end, new_end] :
         std::initializer_list<std::pair<std::string_view, std::string_view>>{
             {"LayerNorm.gamma", "LayerNorm.weight"}, {"LayerNorm.beta", "LayerNorm.bias"}}) {
      if (name.ends_with(old_end)) {
        return std::string(name.substr(0, name.size() - old_end.size())) + std::string(new_end);
      }
    }
    return std::string(name);
  }

  const CancelToken& cancel_;
  std::vector<SafetensorsFile> files_;
  std::vector<std::string> paths_;
  std::unordered_map<std::string, Entry> entries_;
  std::set<std::string> used_;
  std::set<std::string> missing_;
};

LayerWeights take_layer(TensorTable& table, const EncoderConfig& config, int64_t layer) {
  const std::string base = "encoder.layer." + std::to_string(layer) + ".";
  const int64_t hidden = config.hidden_size;
  LayerWeights weights;
  weights.query = table.take_linear(base + "attention.self.query", hidden, hidden);
  weights.key = table.take_linear(base + "attention.self.key", hidden, hidden);
  weights.value = table.take_linear(base + "attention.self.value", hidden, hidden);
  weights.attention_output = table.take_linear(base + "attention.output.dense", hidden, hidden);
  weights.attention_norm = table.take_norm(base + "attention.output.LayerNorm", hidden);
  weights.intermediate =
      table.take_linear(base + "intermediate.dense", config.intermediate_size, hidden);
  weights.output = table.take_linear(base + "output.dense", hidden, config.intermediate_size);
  weights.output_norm = table.take_norm(base + "output.LayerNorm", hidden);
  return weights;
}

}  // namespace

EncoderWeights read_encoder_weights(const EncoderSpec& spec, const CancelToken& cancel) {
  const EncoderConfig& config = spec.config;
  const int64_t hidden = config.hidden_size;
  TensorTable table(spec.weights, cancel);
  EncoderWeights weights;
  weights.word_embeddings =
      table.take("embeddings.word_embeddings.weight", {config.vocab_size, hidden});
  weights.position_embeddings =
      table.take("embeddings.position_embeddings.weight", {config.max_positions, hidden});
  weights.token_type_embeddings =
      table.take("embeddings.token_type_embeddings.weight", {config.type_vocab_size, hidden});
  weights.embedding_norm = table.take_norm("embeddings.LayerNorm", hidden);
  for (int64_t layer = 0; layer < config.layer_count; ++layer) {
    weights.layers.push_back(take_layer(table, config, layer));
  }
  if (spec.head == Head::kPooler) weights.head = table.take_linear("pooler.dense", hidden, hidden);
  if (spec.head == Head::kMlp) weights.head = table.take_linear("mlp.dense", hidden, hidden);
  table.finish();
  if (!spec.deep_prompt.empty()) weights.prompt = read_prompt_weights(spec, cancel);
  return weights;
}

at::Tensor read_prompt_weights(const EncoderSpec& spec, const CancelToken& cancel) {
  const EncoderConfig& config = spec.config;
  TensorTable table({spec.deep_prompt}, cancel);
  at::Tensor prompt = table.take("prefix_encoder.embedding.weight",
                                 {spec.prompt_length, 2 * config.layer_count * config.hidden_size});
  table.finish();
  return prompt;
}

LinearWeights read_dense_weights(const DenseSpec& spec, const CancelToken& cancel) {
  TensorTable table({spec.weights}, cancel);
  LinearWeights weights =
      table.take_linear("linear", spec.out_features, spec.in_features, spec.bias);
  table.finish();
  return weights;
}

std::optional<LmHeadWeights> read_lm_head_weights(const EncoderSpec& spec,
                                                  const CancelToken& cancel) {
  const bool bert = spec.config.model_type == ModelType::kBert;
  const std::string base = bert ? "cls.predictions." : "lm_head.";
  const std::string inner = bert ? base + "transform." : base;
  const int64_t hidden = spec.config.hidden_size;
  TensorTable table(spec.weights, cancel);
  if (!table.has(inner + "dense.weight")) return std::nullopt;
  LmHeadWeights weights;
  weights.dense = table.take_linear(inner + "dense", hidden, hidden);
  weights.norm = table.take_norm(inner + (bert ? "LayerNorm" : "layer_norm"), hidden);
  weights.decoder_bias = table.take(base + "bias", {spec.config.vocab_size});
  table.refuse_missing();
  return weights;
}

int64_t memory_bytes(const EncoderWeights& weights) {
  int64_t bytes = 0;
  const auto add = [&](std::initializer_list<const at::Tensor*> tensors) {
    for (const auto* tensor : tensors) {
      if (tensor->defined()) bytes += static_cast<int64_t>(tensor->nbytes());
    }
  };
  add({&weights.word_embeddings, &weights.position_embeddings, &weights.token_type_embeddings,
       &weights.embedding_norm.weight, &weights.embedding_norm.bias, &weights.prompt,
       &weights.head.weight, &weights.head.bias});
  for (const auto& layer : weights.layers) {
    for (const auto* linear : {&layer.query, &layer.key, &layer.value, &layer.attention_output,
                               &layer.intermediate, &layer.output}) {
      add({&linear->weight, &linear->bias});
    }
    add({&layer.attention_norm.weight, &layer.attention_norm.bias, &layer.output_norm.weight,
         &layer.output_norm.bias});
  }
  return bytes;
}

}  // namespace simgpt
