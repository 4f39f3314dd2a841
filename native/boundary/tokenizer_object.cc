#include "tokenizer_object.h"

#include "../cpu/cpu.h"
#include "../encoder/tokenizer_files.h"
#include "../tokenizer/tokenizer.h"
#include "arguments.h"
#include "encoder_spec.h"
#include "environment.h"
#include "handles.h"
#include "results.h"

namespace simgpt {

namespace {

constexpr int64_t kMostTokens = int64_t{1} << 31;

// loadTokenizer(spec, token): Promise<NativeTokenizer>
Napi::Value load_tokenizer_object(const Napi::CallbackInfo& info) {
  TokenizerSpec spec = tokenizer_spec_argument(info[0]);
  const int64_t number = job_number_argument(info[1]);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [spec = std::move(spec)](const CancelToken&, const ReportProgress&) {
        return load_tokenizer(spec);
      },
      [](Napi::Env env, std::shared_ptr<const Tokenizer>&& tokenizer) {
        const int64_t bytes = tokenizer->memory_bytes();
        auto core = std::const_pointer_cast<Tokenizer>(std::move(tokenizer));
        return make_handle(env, HandleKind::kTokenizer, std::move(core), bytes);
      });
}

std::shared_ptr<const Tokenizer> live_tokenizer(const Napi::CallbackInfo& info) {
  return std::static_pointer_cast<const Tokenizer>(live_core(info, HandleKind::kTokenizer));
}

// tokenize(texts, offsets, options, token)
Napi::Value tokenize_texts(const Napi::CallbackInfo& info) {
  live_tokenizer(info);
  int64_t max_tokens = kMostTokens;
  bool add_special_tokens = true;
  int threads = 0;
  if (!info[2].IsUndefined()) {
    const Fields fields(info[2], "options");
    max_tokens = fields.integer_or("maxTokens", max_tokens, 1, kMostTokens);
    add_special_tokens = fields.boolean_or("addSpecialTokens", add_special_tokens);
    threads = static_cast<int>(fields.integer_or("threads", threads, 0, kMaxThreads));
  }
  const int64_t number = job_number_argument(info[3]);
  OwnedTexts texts = texts_argument(info[0], info[1]);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [tokenizer = live_tokenizer(info), texts = std::move(texts), max_tokens, add_special_tokens,
       threads](const CancelToken& cancel, const ReportProgress&) {
        return tokenizer->encode(texts.view(), max_tokens, add_special_tokens,
                                 threads == 0 ? thread_count() : threads, cancel);
      },
      to_token_result);
}

// info(): { vocabSize, maxId, specialCount, memoryBytes }
Napi::Value describe_tokenizer(const Napi::CallbackInfo& info) {
  const std::shared_ptr<const Tokenizer> tokenizer = live_tokenizer(info);
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("vocabSize", static_cast<double>(tokenizer->vocab_size()));
  object.Set("maxId", static_cast<double>(tokenizer->max_id()));
  object.Set("specialCount", static_cast<double>(tokenizer->special_count()));
  object.Set("memoryBytes", static_cast<double>(tokenizer->memory_bytes()));
  return object;
}

// tokenToId(token): number | undefined
Napi::Value token_to_id(const Napi::CallbackInfo& info) {
  const std::shared_ptr<const Tokenizer> tokenizer = live_tokenizer(info);
  const std::optional<int32_t> id = tokenizer->token_to_id(string_argument(info[0], "token"));
  return id ? Napi::Value::From(info.Env(), *id) : info.Env().Undefined();
}

Napi::Value dispose_tokenizer(const Napi::CallbackInfo& info) {
  return dispose_handle(info, HandleKind::kTokenizer);
}

}  // namespace

void define_tokenizer(Napi::Object exports) {
  define_handle_class(exports, HandleKind::kTokenizer, "NativeTokenizer",
                      {{"tokenize", entry<tokenize_texts>},
                       {"tokenToId", entry<token_to_id>},
                       {"info", entry<describe_tokenizer>},
                       {"dispose", entry<dispose_tokenizer>}});
  export_function<load_tokenizer_object>(exports, "loadTokenizer");
}

}  // namespace simgpt
