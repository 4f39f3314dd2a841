#include "embed_calls.h"

namespace simgpt {

namespace {

constexpr int64_t kMostDimensions = int64_t{1} << 30;
constexpr int64_t kMostBatchTokens = int64_t{1} << 30;

}  // namespace

EmbedOptions embed_options_argument(Napi::Value value) {
  EmbedOptions options;
  if (value.IsUndefined()) return options;
  const Fields fields(value, "options");
  options.normalize = fields.boolean_or("normalize", options.normalize);
  options.dimensions = fields.integer_or("dimensions", options.dimensions, 0, kMostDimensions);
  options.batch_tokens =
      fields.integer_or("batchTokens", options.batch_tokens, 0, kMostBatchTokens);
  return options;
}

Napi::Value to_embed_result(Napi::Env env, EmbedResult&& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("embeddings", to_typed_array(env, std::move(result.embeddings)));
  object.Set("tokenCounts", to_int32_array(env, std::move(result.token_counts)));
  object.Set("truncated", to_uint8_array(env, std::move(result.truncated)));
  return object;
}

TokenizeFlags tokenize_flags_argument(Napi::Value value) {
  TokenizeFlags flags;
  if (value.IsUndefined()) return flags;
  const Fields fields(value, "options");
  flags.truncate = fields.boolean_or("truncate", flags.truncate);
  flags.add_special_tokens = fields.boolean_or("addSpecialTokens", flags.add_special_tokens);
  return flags;
}

}  // namespace simgpt
