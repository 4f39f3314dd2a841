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
  } else {
    const int64_t room = config.max_positions - config.position_offset - spec.encoder.max_tokens;
    expect(
        spec.prompt_length >= 1 && spec.prompt_length <= room,
        "promptLength from 1 to " + std::to_string(room) + ", the positions that maxTokens leaves",
        prompt);
    expect(spec.prompt_projection >= 0, "promptProjection >= 0",
           std::to_string(spec.prompt_projection));
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

}  // namespace

void check_spec(const TrainSpec& spec) {
  const EncoderSpec& encoder = spec.encoder;
  if (encoder.backend != Backend::kCpu) {
    throw Error("unsupported", "expected backend 'cpu' to train on, received another");
  }
  if (encoder.precision == Precision::kBfloat16) {
    throw Error("unsupported",
                "expected precision 'float32' or 'float64' to train in, received "
                "'bfloat16'");
  }
  expect(encoder.head == Head::kNone || encoder.pooling.size() == 1, "one pooling before a head",
         std::to_string(encoder.pooling.size()));
  expect(!spec.fresh_head || encoder.head == Head::kMlp, "head 'mlp' where it is drawn anew",
         "another");
  check_rate("hiddenDropout", spec.hidden_dropout);
  check_rate("attentionDropout", spec.attention_dropout);
  check_added(spec);
  if (spec.mlm) {
    check_rate("maskRate", spec.mlm->mask_rate);
    expect(spec.mlm->mask_token_id >= 0 && spec.mlm->mask_token_id < encoder.config.vocab_size,
           "maskTokenId within the vocabulary", std::to_string(spec.mlm->mask_token_id));
  }
}

}  // namespace simgpt
