// Each binding reads its arguments in one order: plain values and options, whose getters are the
// program's code, then the typed arrays, copied at that moment.
#include "encoder_object.h"

#include "../encoder/encoder.h"
#include "embed_calls.h"
#include "encoder_spec.h"
#include "handles.h"
#if defined(SIMGPT_TEST_HOOKS)
#include "test_encoder.h"
#endif

namespace simgpt {

namespace {

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
                      {{"embed", entry<embed_texts<live_encoder>>},
                       {"embedTokens", entry<embed_tokens>},
                       {"tokenize", entry<tokenize_texts<live_encoder>>},
                       {"info", entry<describe>},
                       {"dispose", entry<dispose>}});
  export_function<load_encoder>(exports, "loadEncoder");
}

}  // namespace simgpt
