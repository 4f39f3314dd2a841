#include "encoder_spec.h"

#include "arguments.h"

namespace simgpt {

namespace {

// Ranges that keep every product of sizes inside int64; the files decide what is really there.
constexpr int64_t kMostSize = int64_t{1} << 24;
constexpr int64_t kMostLayers = 1024;
constexpr size_t kMostFiles = 10'000;
constexpr size_t kMostModules = 64;

const std::vector<std::pair<const char*, Backend>> kBackends = {
    {"reference", Backend::kReference}, {"cpu", Backend::kCpu}, {"cuda", Backend::kCuda}};
const std::vector<std::pair<const char*, Precision>> kPrecisions = {
    {"float32", Precision::kFloat32},
    {"bfloat16", Precision::kBfloat16},
    {"float64", Precision::kFloat64}};
const std::vector<std::pair<const char*, Pooling>> kPoolings = {
    {"cls", Pooling::kCls},
    {"mean", Pooling::kMean},
    {"max", Pooling::kMax},
    {"meanSqrtLen", Pooling::kMeanSqrtLen},
    {"weightedMean", Pooling::kWeightedMean},
    {"lastToken", Pooling::kLastToken},
    {"firstLastMean", Pooling::kFirstLastMean},
    {"lastTwoMean", Pooling::kLastTwoMean},
    {"embeddingLastMean", Pooling::kEmbeddingLastMean}};

EncoderConfig config_of(const Fields& fields) {
  EncoderConfig config;
  config.model_type = fields.choice<ModelType>("modelType", {{"bert", ModelType::kBert},
                                                             {"roberta", ModelType::kRoberta},
                                                             {"xlm-roberta", ModelType::kRoberta}});
  config.vocab_size = fields.integer("vocabSize", 1, kMostSize);
  config.hidden_size = fields.integer("hiddenSize", 1, kMostSize);
  config.layer_count = fields.integer("layerCount", 1, kMostLayers);
  config.head_count = fields.integer("headCount", 1, kMostSize);
  config.intermediate_size = fields.integer("intermediateSize", 1, kMostSize);
  config.max_positions = fields.integer("maxPositions", 1, kMostSize);
  config.type_vocab_size = fields.integer("typeVocabSize", 0, kMostSize);
  config.position_offset = fields.integer("positionOffset", 0, kMostSize);
  config.pad_token_id = fields.integer("padTokenId", 0, kMostSize);
  config.layer_norm_eps = fields.number("layerNormEps", 0, 1);
  config.activation = fields.choice<Activation>(
      "activation", {{"gelu", Activation::kGelu}, {"geluTanh", Activation::kGeluTanh}});
  return config;
}

TokenizerSpec tokenizer_of(const Fields& fields) {
  using Kind = TokenizerSpec::Kind;
  TokenizerSpec spec;
  spec.kind = fields.choice<Kind>("kind", {{"tokenizerJson", Kind::kTokenizerJson},
                                           {"wordPiece", Kind::kWordPiece},
                                           {"byteLevelBpe", Kind::kByteLevelBpe}});
  switch (spec.kind) {
    case Kind::kTokenizerJson:
      spec.path = fields.path("path");
      break;
    case Kind::kWordPiece:
      spec.path = fields.path("vocabPath");
      spec.lowercase = fields.boolean("lowercase");
      spec.strip_accents = fields.optional_boolean("stripAccents");
      spec.handle_chinese_chars = fields.boolean("handleChineseChars");
      break;
    case Kind::kByteLevelBpe:
      spec.path = fields.path("vocabPath");
      spec.merges_path = fields.path("mergesPath");
      spec.add_prefix_space = fields.boolean("addPrefixSpace");
      spec.roberta_specials = fields.choice<bool>("specials", {{"roberta", true}, {"none", false}});
      break;
  }
  return spec;
}

DenseSpec dense_of(const Fields& fields) {
  DenseSpec dense;
  dense.weights = fields.path("weights");
  dense.in_features = fields.integer("inFeatures", 1, kMostSize);
  dense.out_features = fields.integer("outFeatures", 1, kMostSize);
  dense.bias = fields.boolean("bias");
  dense.activation =
      fields.choice<DenseActivation>("activation", {{"identity", DenseActivation::kIdentity},
                                                    {"tanh", DenseActivation::kTanh},
                                                    {"relu", DenseActivation::kRelu},
                                                    {"gelu", DenseActivation::kGelu}});
  return dense;
}

std::string numbered(const char* list, size_t index) {
  return std::string("spec.") + list + "[" + std::to_string(index) + "]";
}

template <typename Value>
const char* name_in(const std::vector<std::pair<const char*, Value>>& names, Value value) {
  for (const auto& [name, named] : names) {
    if (named == value) return name;
  }
  return "unknown";
}

}  // namespace

EncoderSpec encoder_spec_argument(Napi::Value value) {
  const Fields fields(value, "spec");
  EncoderSpec spec;
  spec.config = config_of(fields.object("config"));
  spec.tokenizer = tokenizer_of(fields.object("tokenizer"));
  for (const Napi::Value file : fields.array("weights", kMostFiles)) {
    spec.weights.push_back(path_argument(file, numbered("weights", spec.weights.size())));
  }
  for (const Napi::Value pooling : fields.array("pooling", kMostModules)) {
    const std::string name = numbered("pooling", spec.pooling.size());
    spec.pooling.push_back(Fields::choose(pooling, name, kPoolings));
  }
  for (const Napi::Value dense : fields.array("dense", kMostModules)) {
    spec.dense.push_back(dense_of(Fields(dense, numbered("dense", spec.dense.size()))));
  }
  spec.head = fields.choice<Head>(
      "head", {{"none", Head::kNone}, {"pooler", Head::kPooler}, {"mlp", Head::kMlp}});
  if (!fields.value("deepPrompt").IsUndefined()) {
    const Fields prompt = fields.object("deepPrompt");
    spec.deep_prompt = prompt.path("path");
    spec.prompt_length = prompt.integer("length", 1, kMostSize);
  }
  spec.max_tokens = fields.integer("maxTokens", 1, kMostSize);
  spec.backend = fields.choice("backend", kBackends);
  spec.precision = fields.choice("precision", kPrecisions);
  if (spec.weights.empty() || spec.pooling.empty()) {
    throw Error(ErrorKind::kRange,
                "expected spec.weights and spec.pooling to hold at least one "
                "value, received an empty list");
  }
  return spec;
}

TokenizerSpec tokenizer_spec_argument(Napi::Value value) {
  return tokenizer_of(Fields(value, "spec"));
}

const char* backend_name(Backend backend) { return name_in(kBackends, backend); }

const char* precision_name(Precision precision) { return name_in(kPrecisions, precision); }

}  // namespace simgpt
