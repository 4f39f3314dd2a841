// The encoder's description as JavaScript gives it (NativeEncoderSpec in ts/native.ts).
#pragma once

#include "../encoder/spec.h"
#include "napi.h"

namespace simgpt {

EncoderSpec encoder_spec_argument(Napi::Value value);
TokenizerSpec tokenizer_spec_argument(Napi::Value value);

const char* backend_name(Backend backend);
const char* precision_name(Precision precision);

}  // namespace simgpt
