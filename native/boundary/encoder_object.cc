// Each binding reads its arguments in one order: plain values and options, whose getters are the
// program's code, then the typed arrays, copied at that moment.
#include "encoder_object.h"

#include "../encoder/encoder.h"
#include "arguments.h"
#include "encoder_spec.h"
#include "environment.h"
#include "handles.h"
#include "results.h"
#if defined(SIMGPT_TEST_HOOKS)
#include "test_encoder.h"
#endif

namespace simgpt {

namespace {

constexpr int64_t kMostDimensions = int64_t{1} << 30;
constexpr int64_t kMostBatchTokens = int64_t{1} << 30;

std::shared_ptr<const Encoder> load(const EncoderSpec& spec, const CancelToken& cancel) {
#if defined(SIMGPT_TEST_HOOKS)
  return load_test_encoder(spec, cancel);
#else
  return Encoder::load(spec, cancel);
#endif
}

// loadEncoder(spec, token): Promise<NativeEncoder>
Napi::Value load_encoder(const Napi::CallbackInfo& info) {
  EncoderSpec spec = encoder_spec_argument(info[0]);
  const int64_t number = job_number_argument(info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [spec = std::move(spec)](const CancelToken& cancel, const ReportProgress&) {
        return load(spec, cancel);
      },
      [](Napi::Env env, std::shared_ptr<const Encoder>&& encoder) {
        const int64_t bytes = encoder->memory_bytes();
        auto core = std::const_pointer_cast<Encoder>(std::move(encoder));
        return make_handle(env, HandleKind::kEncoder, std::move(core), bytes);
      });
}

std::shared_ptr<const Encoder> live_encoder(const Napi::CallbackInfo& info) {
  return std::static_pointer_cast<const Encoder>(live_core(info, HandleKind::kEncoder));
}

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

// embed(texts, offsets, options, token, onProgress?)
Napi::Value embed(const Napi::CallbackInfo& info) {
  live_encoder(info);
  const EmbedOptions options = embed_options_argument(info[2]);
  const int64_t number = job_number_argument(info[3]);
  const Napi::Value on_progress = callback_argument(info[4], "onProgress");
  OwnedTexts texts = texts_argument(info[0], info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, on_progress,
      // Asked again: a getter above may have disposed the handle.
      [encoder = live_encoder(info), texts = std::move(texts), options](
          const CancelToken& cancel, const ReportProgress& progress) {
        return encoder->embed(texts.view(), options, cancel, progress);
      },
      to_embed_result);
}

// embedTokens(tokenIds, cuSeqlens, options, token, onProgress?)
Napi::Value embed_tokens(const Napi::CallbackInfo& info) {
  live_encoder(info);
  const EmbedOptions options = embed_options_argument(info[2]);
  const int64_t number = job_number_argument(info[3]);
  const Napi::Value on_progress = callback_argument(info[4], "onProgress");
  TokenBatch tokens = tokens_argument(info[0], info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, on_progress,
      [encoder = live_encoder(info), tokens = std::move(tokens), options](
          const CancelToken& cancel, const ReportProgress& progress) {
        return encoder->embed_tokens(tokens, options, cancel, progress);
      },
      to_embed_result);
}

// tokenize(texts, offsets, options, token)
Napi::Value tokenize(const Napi::CallbackInfo& info) {
  live_encoder(info);
  bool truncate = true;
  bool add_special_tokens = true;
  if (!info[2].IsUndefined()) {
    const Fields fields(info[2], "options");
    truncate = fields.boolean_or("truncate", truncate);
    add_special_tokens = fields.boolean_or("addSpecialTokens", add_special_tokens);
  }
  const int64_t number = job_number_argument(info[3]);
  OwnedTexts texts = texts_argument(info[0], info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [encoder = live_encoder(info), texts = std::move(texts), truncate, add_special_tokens](
          const CancelToken& cancel, const ReportProgress&) {
        return encoder->tokenize(texts.view(), truncate, add_special_tokens, cancel);
      },
      to_token_result);
}

// info(): { dimensions, memoryBytes, maxTokens, backend, precision }
Napi::Value describe(const Napi::CallbackInfo& info) {
  const std::shared_ptr<const Encoder> encoder = live_encoder(info);
  const EncoderSpec& spec = encoder->spec();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("dimensions", static_cast<double>(encoder->dimensions()));
  object.Set("memoryBytes", static_cast<double>(encoder->memory_bytes()));
  object.Set("maxTokens", static_cast<double>(spec.max_tokens));
  object.Set("backend", backend_name(spec.backend));
  object.Set("precision", precision_name(spec.precision));
  return object;
}

Napi::Value dispose(const Napi::CallbackInfo& info) {
  return dispose_handle(info, HandleKind::kEncoder);
}

}  // namespace

void define_encoder(Napi::Object exports) {
  define_handle_class(exports, HandleKind::kEncoder, "NativeEncoder",
                      {{"embed", entry<embed>},
                       {"embedTokens", entry<embed_tokens>},
                       {"tokenize", entry<tokenize>},
                       {"info", entry<describe>},
                       {"dispose", entry<dispose>}});
  export_function<load_encoder>(exports, "loadEncoder");
}

}  // namespace simgpt
