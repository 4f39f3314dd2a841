#include "train/parameters.h"

namespace simgpt {
namespace {

using Group = ParameterGroup;
using Initial = InitialValue;

class LayoutBuilder {
 public:
  explicit LayoutBuilder(const TrainSpec& spec) : spec_(spec), config_(spec.encoder.config) {}

  void add(const std::string& name, std::vector<int64_t> shape, Group group, Initial initial) {
    layout.push_back({name, std::move(shape), group, initial});
  }

  void linear(const std::string& name, int64_t out, int64_t in, Group group, Initial initial,
              bool bias = true) {
    const Initial at_zero = initial == Initial::kNormal ? Initial::kZero : initial;
    add(name + ".weight", {out, in}, group, initial);
    if (bias) add(name + ".bias", {out}, group, at_zero);
    const bool adapted = spec_.trains == Trains::kLora && group == Group::kEncoder;
    if (!adapted) return;
    add(name + ".lora_A.weight", {spec_.lora_rank, in}, Group::kLora, Initial::kUniform);
    add(name + ".lora_B.weight", {out, spec_.lora_rank}, Group::kLora, Initial::kZero);
  }

  void norm(const std::string& name, Group group, Initial initial) {
    const bool fresh = initial == Initial::kNormal;
    add(name + ".weight", {config_.hidden_size}, group, fresh ? Initial::kOne : initial);
    add(name + ".bias", {config_.hidden_size}, group, fresh ? Initial::kZero : initial);
  }

  void encoder() {
    const int64_t hidden = config_.hidden_size;
    const Initial read = Initial::kCheckpoint;
    const std::string base = "embeddings.";
    add(base + "word_embeddings.weight", {config_.vocab_size, hidden}, Group::kEncoder, read);
    add(base + "position_embeddings.weight", {config_.max_positions, hidden}, Group::kEncoder,
        read);
    add(base + "token_type_embeddings.weight", {config_.type_vocab_size, hidden}, Group::kEncoder,
        read);
    norm(base + "LayerNorm", Group::kEncoder, read);
    for (int64_t i = 0; i < config_.layer_count; ++i) {
      layer("encoder.layer." + std::to_string(i) + ".");
    }
  }

  void projection() {
    const int64_t hidden = config_.hidden_size;
    const EncoderSpec& encoder = spec_.encoder;
    if (encoder.head != Head::kNone) {
      const bool fresh = spec_.fresh_head && encoder.head == Head::kMlp;
      linear(encoder.head == Head::kPooler ? "pooler.dense" : "mlp.dense", hidden, hidden,
             Group::kHead, fresh ? Initial::kNormal : Initial::kCheckpoint);
    }
    for (size_t i = 0; i < encoder.dense.size(); ++i) {
      const DenseSpec& dense = encoder.dense[i];
      linear("dense." + std::to_string(i) + ".linear", dense.out_features, dense.in_features,
             Group::kDense, Initial::kCheckpoint, dense.bias);
    }
  }

  // The names are those of P-tuning v2's prefix encoder, which PromCSE's checkpoints have.
  void prompt() {
    if (spec_.trains != Trains::kDeepPrompt) return;
    const int64_t hidden = config_.hidden_size;
    const int64_t width = 2 * config_.layer_count * hidden;
    const int64_t inner = spec_.prompt_projection;
    const std::string base = "prefix_encoder.";
    const bool read = !spec_.encoder.deep_prompt.empty();
    add(base + "embedding.weight", {spec_.prompt_length, inner > 0 ? hidden : width},
        Group::kPrompt, read ? Initial::kCheckpoint : Initial::kNormal);
    if (inner == 0) return;
    linear(base + "trans.0", inner, hidden, Group::kPrompt, Initial::kNormal);
    linear(base + "trans.2", width, inner, Group::kPrompt, Initial::kNormal);
  }

  void lm_head(bool in_checkpoint) {
    if (!spec_.mlm) return;
    const bool bert = config_.model_type == ModelType::kBert;
    const Initial initial = in_checkpoint ? Initial::kCheckpoint : Initial::kNormal;
    const std::string base = bert ? "cls.predictions." : "lm_head.";
    const std::string inner = bert ? base + "transform." : base;
    linear(inner + "dense", config_.hidden_size, config_.hidden_size, Group::kLmHead, initial);
    norm(inner + (bert ? "LayerNorm" : "layer_norm"), Group::kLmHead, initial);
    add(base + "bias", {config_.vocab_size}, Group::kLmHead,
        in_checkpoint ? Initial::kCheckpoint : Initial::kZero);
  }

  std::vector<ParameterLayout> layout;

 private:
  void layer(const std::string& base) {
    const int64_t hidden = config_.hidden_size;
    const auto add_linear = [&](const char* name, int64_t out, int64_t in) {
      linear(base + name, out, in, Group::kEncoder, Initial::kCheckpoint);
    };
    add_linear("attention.self.query", hidden, hidden);
    add_linear("attention.self.key", hidden, hidden);
    add_linear("attention.self.value", hidden, hidden);
    add_linear("attention.output.dense", hidden, hidden);
    norm(base + "attention.output.LayerNorm", Group::kEncoder, Initial::kCheckpoint);
    add_linear("intermediate.dense", config_.intermediate_size, hidden);
    add_linear("output.dense", hidden, config_.intermediate_size);
    norm(base + "output.LayerNorm", Group::kEncoder, Initial::kCheckpoint);
  }

  const TrainSpec& spec_;
  const EncoderConfig& config_;
};

}  // namespace

std::vector<ParameterLayout> parameter_layout(const TrainSpec& spec, bool has_lm_head) {
  LayoutBuilder builder(spec);
  builder.encoder();
  builder.projection();
  builder.prompt();
  builder.lm_head(has_lm_head);
  return std::move(builder.layout);
}

bool is_trainable(const ParameterLayout& parameter, Trains trains) {
  const Group group = parameter.group;
  switch (trains) {
    case Trains::kAll:
      return true;
    case Trains::kBitFit:
      return parameter.name.find("bias") != std::string::npos;
    case Trains::kDeepPrompt:
    case Trains::kLora:
      return group != Group::kEncoder;
    case Trains::kHead:
      return group == Group::kHead || group == Group::kDense;
  }
  return false;
}

bool decays(const std::string& name) {
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  return !has("bias") && !has("LayerNorm") && !has("layer_norm");
}

TrainableCount count_trainable(const TrainSpec& spec) {
  TrainableCount count;
  for (const ParameterLayout& parameter : parameter_layout(spec, /*has_lm_head=*/false)) {
    int64_t numbers = 1;
    for (const int64_t size : parameter.shape) numbers *= size;
    count.total += numbers;
    if (is_trainable(parameter, spec.trains)) count.trainable += numbers;
  }
  return count;
}

}  // namespace simgpt
