#include "train/parameters.h"

#include <ATen/ATen.h>

#include <atomic>
#include <cmath>
#include <map>

#include "cpu/cpu.h"
#include "cpu/workers.h"
#include "encoder/weights.h"
#include "train/draws.h"
#include "train/products.h"

namespace simgpt {
namespace {

// bfloat16 is a matter of products: parameters and their gradients stay float32.
at::TensorOptions options_of(const TrainSpec& spec) {
  const at::Device device(spec.encoder.backend == Backend::kCuda ? at::kCUDA : at::kCPU);
  const bool wide = spec.encoder.precision == Precision::kFloat64;
  return at::TensorOptions(wide ? at::kDouble : at::kFloat).device(device);
}

// Every tensor of the checkpoint under its name.
class CheckpointValues {
 public:
  CheckpointValues(const TrainSpec& spec, const CancelToken& cancel) {
    EncoderSpec reading = spec.encoder;
    if (spec.fresh_head && reading.head == Head::kMlp) reading.head = Head::kNone;
    EncoderWeights weights = read_encoder_weights(reading, cancel);
    values_["embeddings.word_embeddings.weight"] = weights.word_embeddings;
    values_["embeddings.position_embeddings.weight"] = weights.position_embeddings;
    values_["embeddings.token_type_embeddings.weight"] = weights.token_type_embeddings;
    norm("embeddings.LayerNorm", weights.embedding_norm);
    for (size_t i = 0; i < weights.layers.size(); ++i) {
      layer("encoder.layer." + std::to_string(i) + ".", weights.layers[i]);
    }
    if (weights.head.weight.defined()) {
      linear(reading.head == Head::kPooler ? "pooler.dense" : "mlp.dense", weights.head);
    }
    for (size_t i = 0; i < spec.encoder.dense.size(); ++i) {
      linear("dense." + std::to_string(i) + ".linear",
             read_dense_weights(spec.encoder.dense[i], cancel));
    }
    if (spec.mlm) lm_head(spec, cancel);
    values_["prefix_encoder.embedding.weight"] = weights.prompt;
  }

  bool has_lm_head() const { return has_lm_head_; }
  const at::Tensor& at(const std::string& name) const { return values_.at(name); }

 private:
  void linear(const std::string& name, const LinearWeights& weights) {
    values_[name + ".weight"] = weights.weight;
    if (weights.bias.defined()) values_[name + ".bias"] = weights.bias;
  }
  void norm(const std::string& name, const LayerNormWeights& weights) {
    values_[name + ".weight"] = weights.weight;
    values_[name + ".bias"] = weights.bias;
  }
  void layer(const std::string& base, const LayerWeights& weights) {
    linear(base + "attention.self.query", weights.query);
    linear(base + "attention.self.key", weights.key);
    linear(base + "attention.self.value", weights.value);
    linear(base + "attention.output.dense", weights.attention_output);
    norm(base + "attention.output.LayerNorm", weights.attention_norm);
    linear(base + "intermediate.dense", weights.intermediate);
    linear(base + "output.dense", weights.output);
    norm(base + "output.LayerNorm", weights.output_norm);
  }
  void lm_head(const TrainSpec& spec, const CancelToken& cancel) {
    const auto weights = read_lm_head_weights(spec.encoder, cancel);
    if (!weights) return;
    has_lm_head_ = true;
    const bool bert = spec.encoder.config.model_type == ModelType::kBert;
    const std::string base = bert ? "cls.predictions." : "lm_head.";
    const std::string inner = bert ? base + "transform." : base;
    linear(inner + "dense", weights->dense);
    norm(inner + (bert ? "LayerNorm" : "layer_norm"), weights->norm);
    values_[base + "bias"] = weights->decoder_bias;
  }

  std::map<std::string, at::Tensor> values_;
  bool has_lm_head_ = false;
};

// Draws by counters: number `index` of the layout, element by element.
void draw_initial(at::Tensor& value, InitialValue initial, const TrainSpec& spec, uint32_t index) {
  const DrawStream stream = draw_stream(spec.seed, 0, index, 0, 0, kInitialSite);
  at::Tensor drawn = at::empty(value.sizes(), at::kDouble);
  auto* numbers = drawn.mutable_data_ptr<double>();
  // Hu et al. 2021's released code: uniform within 1 / sqrt(in).
  const double bound = 1 / std::sqrt(static_cast<double>(value.size(-1)));
  for (int64_t i = 0; i < drawn.numel(); ++i) {
    const auto element = static_cast<uint64_t>(2 * i);
    const double u = (draw_word(stream, element) + 1.0) / 4294967296.0;  // in (0, 1]
    const double v = draw_word(stream, element + 1) / 4294967296.0;      // in [0, 1)
    const double normal = std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v);
    numbers[i] =
        initial == InitialValue::kNormal ? spec.initializer_range * normal : bound * (2 * v - 1);
  }
  value.copy_(drawn);
}

void set_initial(at::Tensor& value, const ParameterLayout& layout, const CheckpointValues& read,
                 const TrainSpec& spec, uint32_t index) {
  switch (layout.initial) {
    case InitialValue::kCheckpoint:
      value.copy_(read.at(layout.name));
      return;
    case InitialValue::kZero:
      value.zero_();
      return;
    case InitialValue::kOne:
      value.fill_(1);
      return;
    case InitialValue::kNormal:
    case InitialValue::kUniform:
      draw_initial(value, layout.initial, spec, index);
  }
}

// Query, key and value live one below the other in one tensor, so that they are one product.
class Storage {
 public:
  Storage(const TrainSpec& spec) : options_(options_of(spec)) {}

  at::Tensor tensor(const ParameterLayout& layout, bool gradient) {
    for (int64_t part = 0; part < 3; ++part) {
      static constexpr const char* kParts[] = {".self.query.", ".self.key.", ".self.value."};
      const size_t found = layout.name.find(kParts[part]);
      if (found == std::string::npos || layout.group == ParameterGroup::kLora) continue;
      std::string fused = layout.name;
      fused.replace(found, std::string(kParts[part]).size(), ".self.fused.");
      at::Tensor& whole = fused_[(gradient ? "grad " : "") + fused];
      std::vector<int64_t> shape = layout.shape;
      shape[0] *= 3;
      if (!whole.defined()) whole = at::zeros(shape, options_);
      return whole.slice(0, part * layout.shape[0], (part + 1) * layout.shape[0]);
    }
    return at::zeros(layout.shape, options_);
  }

 private:
  at::TensorOptions options_;
  std::map<std::string, at::Tensor> fused_;
};

// The tensor that three neighbouring views cover.
at::Tensor fused(const at::Tensor& first) {
  if (!first.defined()) return {};
  std::vector<int64_t> shape = first.sizes().vec();
  shape[0] *= 3;
  return first.as_strided(shape, first.strides(), first.storage_offset());
}

}  // namespace

ParameterSet::ParameterSet(const TrainSpec& spec, const CancelToken& cancel)
    : lora_factor_(spec.lora_alpha / static_cast<double>(spec.lora_rank)) {
  const CheckpointValues read(spec, cancel);
  Storage storage(spec);
  const auto layout = parameter_layout(spec, read.has_lm_head());
  for (size_t i = 0; i < layout.size(); ++i) {
    cancel.poll();
    Parameter parameter{layout[i].name,
                        storage.tensor(layout[i], false),
                        {},
                        is_trainable(layout[i], spec.trains),
                        decays(layout[i].name)};
    set_initial(parameter.value, layout[i], read, spec, static_cast<uint32_t>(i));
    if (parameter.trainable) parameter.grad = storage.tensor(layout[i], true);
    list.push_back(std::move(parameter));
  }
  adopt(spec);
}

ParameterSet::Tensors ParameterSet::tensors(const std::string& name) const {
  for (const Parameter& parameter : list) {
    if (parameter.name == name) return {parameter.value, parameter.grad};
  }
  return {};
}

LinearParameters ParameterSet::linear(const std::string& name) const {
  const Tensors weight = tensors(name + ".weight"), bias = tensors(name + ".bias");
  LinearParameters result{weight.value, bias.value, weight.grad, bias.grad, {}, {}, {}};
  const Tensors a = tensors(name + ".lora_A.weight"), b = tensors(name + ".lora_B.weight");
  if (a.value.defined()) result.lora.push_back({0, a.value, b.value, a.grad, b.grad});
  return result;
}

NormParameters ParameterSet::norm(const std::string& name) const {
  const Tensors weight = tensors(name + ".weight"), bias = tensors(name + ".bias");
  return {weight.value, bias.value, weight.grad, bias.grad};
}

LayerParameters ParameterSet::layer(const std::string& base) const {
  const LinearParameters query = linear(base + "attention.self.query");
  LayerParameters result;
  result.qkv = {fused(query.weight),
                fused(query.bias),
                fused(query.weight_grad),
                fused(query.bias_grad),
                {},
                {},
                {}};
  int64_t first_row = 0;
  for (const char* part : {"query", "key", "value"}) {
    for (LoraAdapter adapter : linear(base + "attention.self." + part).lora) {
      adapter.first_row = first_row;
      result.qkv.lora.push_back(adapter);
    }
    first_row += query.weight.size(0);
  }
  result.attention_output = linear(base + "attention.output.dense");
  result.attention_norm = norm(base + "attention.output.LayerNorm");
  result.intermediate = linear(base + "intermediate.dense");
  result.output = linear(base + "output.dense");
  result.output_norm = norm(base + "output.LayerNorm");
  return result;
}

void ParameterSet::adopt(const TrainSpec& spec) {
  const auto table = [&](const std::string& name) {
    const Tensors found = tensors(name);
    return TableParameters{found.value, found.grad};
  };
  word = table("embeddings.word_embeddings.weight");
  position = table("embeddings.position_embeddings.weight");
  type = table("embeddings.token_type_embeddings.weight");
  embedding_norm = norm("embeddings.LayerNorm");
  for (int64_t i = 0; i < spec.encoder.config.layer_count; ++i) {
    layers.push_back(layer("encoder.layer." + std::to_string(i) + "."));
  }
  if (spec.encoder.head != Head::kNone) {
    projection.push_back(linear(spec.encoder.head == Head::kPooler ? "pooler.dense" : "mlp.dense"));
  }
  for (size_t i = 0; i < spec.encoder.dense.size(); ++i) {
    projection.push_back(linear("dense." + std::to_string(i) + ".linear"));
  }
  prompt.table = table("prefix_encoder.embedding.weight");
  prompt.inner = linear("prefix_encoder.trans.0");
  prompt.outer = linear("prefix_encoder.trans.2");
  const bool bert = spec.encoder.config.model_type == ModelType::kBert;
  const std::string base = bert ? "cls.predictions." : "lm_head.";
  const std::string inner = bert ? base + "transform." : base;
  lm_head.dense = linear(inner + "dense");
  lm_head.norm = norm(inner + (bert ? "LayerNorm" : "layer_norm"));
  const Tensors bias = tensors(base + "bias");
  lm_head.decoder_bias = bias.value;
  lm_head.decoder_bias_grad = bias.grad;
}

std::vector<LinearParameters*> ParameterSet::encoder_linears() {
  std::vector<LinearParameters*> all;
  for (LayerParameters& one : layers) {
    all.insert(all.end(), {&one.qkv, &one.attention_output, &one.intermediate, &one.output});
  }
  return all;
}

namespace {

bool is_adapter(const std::string& name) {
  return name.find(".lora_") != std::string::npos || name.starts_with("prefix_encoder.");
}

void derive(LinearParameters& linear, double lora_factor) {
  if (linear.lora.empty()) {
    linear.effective = linear.weight;
  } else {
    linear.effective = linear.weight.clone();
    for (const LoraAdapter& adapter : linear.lora) {
      linear.effective.slice(0, adapter.first_row, adapter.first_row + adapter.b.size(0))
          .addmm_(adapter.b, adapter.a, 1, lora_factor);
    }
  }
  const int64_t out = linear.weight.size(0), in = linear.weight.size(1);
  if (!linear.transposed.defined()) {
    linear.transposed = at::empty({in, out}, linear.weight.options());
  }
  if (linear.weight.scalar_type() == at::kDouble) {
    transpose<double>(out, in, {linear.effective.const_data_ptr<double>(), in},
                      {linear.transposed.mutable_data_ptr<double>(), out});
  } else {
    transpose<float>(out, in, {linear.effective.const_data_ptr<float>(), in},
                     {linear.transposed.mutable_data_ptr<float>(), out});
  }
}

}  // namespace

void ParameterSet::refresh() {
  std::vector<LinearParameters*> stale;
  for (LinearParameters* linear : encoder_linears()) {
    if (!derived_ || linear->weight_grad.defined() || !linear->lora.empty()) {
      stale.push_back(linear);
    }
  }
  std::atomic<size_t> next{0};
  run_workers(thread_count(), [&](int) {
    for (size_t i = next++; i < stale.size(); i = next++) derive(*stale[i], lora_factor_);
  });
  derived_ = true;
}

std::vector<std::pair<std::string, at::Tensor>> ParameterSet::checkpoint_tensors() const {
  std::vector<std::pair<std::string, at::Tensor>> result;
  for (const Parameter& parameter : list) {
    if (is_adapter(parameter.name)) continue;
    at::Tensor value = parameter.value;
    const std::string base = parameter.name.substr(0, parameter.name.rfind('.'));
    const Tensors a = tensors(base + ".lora_A.weight"), b = tensors(base + ".lora_B.weight");
    if (a.value.defined() && parameter.name.ends_with(".weight")) {
      value = at::addmm(value, b.value, a.value, 1, lora_factor_);
    }
    result.emplace_back(parameter.name, value.to(at::kFloat));
  }
  return result;
}

std::vector<std::pair<std::string, at::Tensor>> ParameterSet::lora_tensors() const {
  std::vector<std::pair<std::string, at::Tensor>> result;
  for (const Parameter& parameter : list) {
    if (parameter.name.find(".lora_") == std::string::npos) continue;
    result.emplace_back(parameter.name, parameter.value.to(at::kFloat));
  }
  return result;
}

int64_t ParameterSet::memory_bytes() const {
  size_t bytes = 0;
  for (const Parameter& parameter : list) {
    bytes += parameter.value.nbytes();
    if (parameter.grad.defined()) bytes += parameter.grad.nbytes();
  }
  for (const LayerParameters& one : layers) {
    for (const LinearParameters* linear :
         {&one.qkv, &one.attention_output, &one.intermediate, &one.output}) {
      if (linear->transposed.defined()) bytes += linear->transposed.nbytes();
      if (!linear->lora.empty()) bytes += linear->weight.nbytes();
    }
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace simgpt
