#include "train/train_spec.h"

#include <string>

#include "error.h"

namespace simgpt {
namespace {

void expect(bool holds, const std::string& expected, const std::string& received) {
  if (holds) return;
  throw Error(ErrorKind::kRange, "expected " + expected + ", received " + received);
}

void check_rate(const char* name, double rate) {
  expect(rate >= 0 && rate < 1, std::string(name) + " from 0 to below 1", std::to_string(rate));
}

void check_added(const TrainSpec& spec) {
  const EncoderConfig& config = spec.encoder.config;
  const std::string prompt = std::to_string(spec.prompt_length);
  if (spec.trains != Trains::kDeepPrompt) {
    expect(spec.prompt_length == 0, "promptLength 0 where no deep prompt trains", prompt);
    expect(spec.encoder.deep_prompt.empty(), "a model without a deep prompt, or one that trains it",
           spec.encoder.deep_prompt);
  } else {
    const int64_t room = config.max_positions - config.position_offset - spec.encoder.max_tokens;
    expect(
        spec.prompt_length >= 1 && spec.prompt_length <= room,
        "promptLength from 1 to " + std::to_string(room) + ", the positions that maxTokens leaves",
        prompt);
    expect(spec.prompt_projection >= 0, "promptProjection >= 0",
           std::to_string(spec.prompt_projection));
    const EncoderSpec& encoder = spec.encoder;
    expect(encoder.deep_prompt.empty() ||
               (encoder.prompt_length == spec.prompt_length && spec.prompt_projection == 0),
           "promptLength " + std::to_string(encoder.prompt_length) +
               " of the model's own prompt, without reparameterisation",
           prompt);
  }
  if (spec.trains == Trains::kLora) {
    expect(spec.lora_rank >= 1 && spec.lora_rank <= config.hidden_size,
           "loraRank from 1 to " + std::to_string(config.hidden_size),
           std::to_string(spec.lora_rank));
    expect(spec.lora_alpha > 0, "loraAlpha > 0", std::to_string(spec.lora_alpha));
  }
  if (spec.trains == Trains::kHead) {
    expect(spec.encoder.head != Head::kNone || !spec.encoder.dense.empty(),
           "a head or a dense module where only those train", "neither");
  }
}

// What the passes index by: sizes that do not fit would read beyond a table.
void check_sizes(const EncoderSpec& encoder) {
  const EncoderConfig& config = encoder.config;
  expect(config.hidden_size % config.head_count == 0, "hiddenSize that headCount divides",
         std::to_string(config.hidden_size));
  expect(config.type_vocab_size >= 1, "typeVocabSize >= 1", std::to_string(config.type_vocab_size));
  expect(config.pad_token_id < config.vocab_size && config.pad_token_id < config.max_positions,
         "padTokenId within the vocabulary", std::to_string(config.pad_token_id));
  const int64_t room = config.max_positions - config.position_offset;
  expect(encoder.max_tokens >= 1 && encoder.max_tokens <= room,
         "maxTokens from 1 to " + std::to_string(room), std::to_string(encoder.max_tokens));
  int64_t width = config.hidden_size * std::ssize(encoder.pooling);
  for (const DenseSpec& dense : encoder.dense) {
    expect(dense.in_features == width, "a dense module with inFeatures " + std::to_string(width),
           std::to_string(dense.in_features));
    width = dense.out_features;
  }
}

}  // namespace

void check_spec(const TrainSpec& spec) {
  const EncoderSpec& encoder = spec.encoder;
  if (encoder.backend == Backend::kCpu && encoder.precision == Precision::kBfloat16) {
    throw Error("unsupported",
                "expected precision 'float32' or 'float64' to train in on backend 'cpu', received "
                "'bfloat16'");
  }
  expect(encoder.head == Head::kNone || encoder.pooling.size() == 1, "one pooling before a head",
         std::to_string(encoder.pooling.size()));
  expect(!spec.fresh_head || encoder.head == Head::kMlp, "head 'mlp' where it is drawn anew",
         "another");
  check_sizes(encoder);
  check_rate("hiddenDropout", spec.hidden_dropout);
  check_rate("attentionDropout", spec.attention_dropout);
  check_added(spec);
  if (spec.mlm) {
    check_rate("maskRate", spec.mlm->mask_rate);
    expect(spec.mlm->mask_token_id >= 0 && spec.mlm->mask_token_id < encoder.config.vocab_size,
           "maskTokenId within the vocabulary", std::to_string(spec.mlm->mask_token_id));
  }
}

void check_masking(const AccumulateOptions& options, const TrainSpec& spec) {
  if (options.mlm_weight > 0 && (!spec.mlm || !options.dropout)) {
    throw Error(ErrorKind::kRange,
                "expected a model with masked language modelling and a dropout key where its "
                "weight is above 0");
  }
}

}  // namespace simgpt
