// NativeTokenizer, the JavaScript face of simgpt::Tokenizer: texts to ids without a model.
#pragma once

#include "napi.h"

namespace simgpt {

// exports.NativeTokenizer and exports.loadTokenizer.
void define_tokenizer(Napi::Object exports);

}  // namespace simgpt
