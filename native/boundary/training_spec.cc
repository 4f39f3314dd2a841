#include "training_spec.h"

#include <ATen/ATen.h>

#include <limits>

#include "encoder_spec.h"
#include "loss_spec.h"
#include "results.h"

namespace simgpt {

namespace {

constexpr int64_t kMostCount = int64_t{1} << 30;
constexpr double kMost = std::numeric_limits<double>::max();
constexpr double kLeast = std::numeric_limits<double>::min();  // > 0

MlmSpec mlm_of(const Fields& fields) {
  MlmSpec mlm;
  mlm.mask_rate = fields.number("maskRate", kLeast, 1);
  mlm.mask_token_id = static_cast<int32_t>(fields.integer("maskTokenId", 0, kMostCount));
  mlm.special_ids = integers_argument(fields.value("specialIds"), fields.name_of("specialIds"));
  return mlm;
}

// Bits of unsigned integers.
std::vector<uint32_t> example_ids_of(const Fields& fields) {
  const auto bits = integers_argument(fields.value("exampleIds"), "exampleIds");
  return {bits.begin(), bits.end()};
}

}  // namespace

Trains trains_of(const Fields& fields) {
  return fields.choice<Trains>("trains", {{"all", Trains::kAll},
                                          {"bitFit", Trains::kBitFit},
                                          {"deepPrompt", Trains::kDeepPrompt},
                                          {"lora", Trains::kLora},
                                          {"head", Trains::kHead}});
}

TrainSpec train_spec_argument(Napi::Value encoder, Napi::Value value) {
  TrainSpec spec;
  spec.encoder = encoder_spec_argument(encoder);
  const Fields fields(value, "training");
  spec.trains = trains_of(fields);
  spec.fresh_head = fields.boolean("freshHead");
  spec.head_when_evaluating = fields.boolean("headWhenEvaluating");
  spec.initializer_range = fields.number("initializerRange", 0, kMost);
  spec.hidden_dropout = fields.number("hiddenDropout", 0, 1);
  spec.attention_dropout = fields.number("attentionDropout", 0, 1);
  spec.prompt_length = fields.integer("promptLength", 0, kMostCount);
  spec.prompt_projection = fields.integer("promptProjection", 0, kMostCount);
  spec.lora_rank = fields.integer("loraRank", 1, kMostCount);
  spec.lora_alpha = fields.number("loraAlpha", kLeast, kMost);
  spec.seed = static_cast<uint64_t>(fields.integer("seed", 0, kMaxInteger));
  if (!fields.value("mlm").IsUndefined()) spec.mlm = mlm_of(fields.object("mlm"));
  return spec;
}

ExampleRequest examples_argument(Napi::Value value) {
  const Fields fields(value, "request");
  ExampleRequest request;
  request.texts.examples = fields.integer("examples", 1, kMostCount);
  request.texts.example_ids = example_ids_of(fields);
  if (!fields.value("owner").IsUndefined()) {
    request.texts.owner = integers_argument(fields.value("owner"), fields.name_of("owner"));
  }
  request.step = static_cast<uint32_t>(fields.integer("step", 0, 0xFFFFFFFF));
  request.max_tokens = fields.integer("maxTokens", 0, kMostCount);
  return request;
}

AccumulateRequest accumulate_argument(Napi::Value value, bool wide) {
  const Fields fields(value, "request");
  AccumulateRequest request;
  request.texts.examples = fields.integer("examples", 1, kMostCount);
  request.dropout = fields.boolean("dropout");
  if (!fields.value("step").IsUndefined()) {
    request.step = static_cast<uint32_t>(fields.integer("step", 0, 0xFFFFFFFF));
  }
  request.max_tokens = fields.integer("maxTokens", 0, kMostCount);
  request.chunk_tokens = fields.integer("chunkTokens", 0, kMostCount);
  request.mlm_weight = fields.number("mlmWeight", 0, kMost);
  if (!fields.value("learnedTemperature").IsUndefined()) {
    const Fields learned = fields.object("learnedTemperature");
    request.learned_temperature.emplace(learned.number("initial", kLeast, kMost),
                                        learned.number("lowest", kLeast, kMost));
  }
  request.losses = loss_spec_argument(fields.value("losses"));
  const OwnedLossInputs inputs = loss_inputs_argument(fields.value("inputs"));
  request.texts.owner = inputs.owner;
  request.texts.example_ids = example_ids_of(fields);
  request.inputs = inputs.batch(request.texts.examples, wide ? at::kDouble : at::kFloat);
  return request;
}

StepRequest step_argument(Napi::Value value) {
  const Fields fields(value, "options");
  StepRequest request;
  request.learning_rate = fields.number("learningRate", 0, kMost);
  request.max_norm = fields.optional_number("maxGradNorm", kLeast, kMost);
  request.options.weight_decay = fields.number("weightDecay", 0, kMost);
  request.options.beta1 = fields.number("beta1", 0, 1);
  request.options.beta2 = fields.number("beta2", 0, 1);
  request.options.epsilon = fields.number("epsilon", kLeast, kMost);
  return request;
}

Napi::Value to_accumulate_result(Napi::Env env, AccumulateOutcome&& outcome) {
  Napi::Object object = Napi::Object::New(env);
  if (outcome.not_finite) {
    Napi::Array examples = Napi::Array::New(env);
    for (const int64_t place : outcome.not_finite->examples) {
      examples.Set(examples.Length(), static_cast<double>(place));
    }
    Napi::Object found = Napi::Object::New(env);
    found.Set("tensor", outcome.not_finite->tensor);
    found.Set("examples", examples);
    object.Set("notFinite", found);
    return object;
  }
  object = to_loss_value(env, outcome.loss);
  object.Set("mlmLoss", outcome.mlm_loss);
  object.Set("truncated", static_cast<double>(outcome.truncated));
  object.Set("chunks", static_cast<double>(outcome.chunks));
  return object;
}

Napi::Value to_step_result(Napi::Env env, StepResult&& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("gradNorm", result.gradient_norm);
  if (result.not_finite) object.Set("notFinite", *result.not_finite);
  return object;
}

}  // namespace simgpt
