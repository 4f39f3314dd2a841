// embed() and tokenize() of every handle that holds a model.
#pragma once

#include "../encoder/encoder.h"
#include "arguments.h"
#include "environment.h"
#include "results.h"

namespace simgpt {

// { normalize?, dimensions?, batchTokens? }, or undefined
EmbedOptions embed_options_argument(Napi::Value value);
// { embeddings, tokenCounts, truncated }
Napi::Value to_embed_result(Napi::Env env, EmbedResult&& result);

struct TokenizeFlags {
  bool truncate = true;
  bool add_special_tokens = true;
};
// { truncate?, addSpecialTokens? }, or undefined
TokenizeFlags tokenize_flags_argument(Napi::Value value);

// embed(texts, offsets, options, token, onProgress?); kLive gives the live core behind `this`.
template <auto kLive>
Napi::Value embed_texts(const Napi::CallbackInfo& info) {
  kLive(info);
  const EmbedOptions options = embed_options_argument(info[2]);
  const int64_t number = job_number_argument(info[3]);
  const Napi::Value on_progress = callback_argument(info[4], "onProgress");
  OwnedTexts texts = texts_argument(info[0], info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, on_progress,
      // Asked again: a getter above may have disposed the handle.
      [core = kLive(info), texts = std::move(texts), options](const CancelToken& cancel,
                                                              const ReportProgress& progress) {
        return core->embed(texts.view(), options, cancel, progress);
      },
      to_embed_result);
}

// tokenize(texts, offsets, options, token)
template <auto kLive>
Napi::Value tokenize_texts(const Napi::CallbackInfo& info) {
  kLive(info);
  const TokenizeFlags flags = tokenize_flags_argument(info[2]);
  const int64_t number = job_number_argument(info[3]);
  OwnedTexts texts = texts_argument(info[0], info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [core = kLive(info), texts = std::move(texts), flags](const CancelToken& cancel,
                                                            const ReportProgress&) {
        return core->tokenize(texts.view(), flags.truncate, flags.add_special_tokens, cancel);
      },
      to_token_result);
}

}  // namespace simgpt
