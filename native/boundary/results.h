// Native values to JavaScript typed arrays. Large results are not copied: the array's buffer owns
// the native memory and V8 counts it; where a host forbids such buffers they are copied.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "../tokenizer/token_batch.h"
#include "napi.h"

namespace simgpt {

// float32 -> Float32Array, float64 -> Float64Array, row-major.
Napi::Value to_typed_array(Napi::Env env, at::Tensor tensor);
Napi::Value to_int32_array(Napi::Env env, std::vector<int32_t>&& values);
Napi::Value to_uint8_array(Napi::Env env, std::vector<uint8_t>&& values);
// { tokenIds, cuSeqlens, fullLengths }
Napi::Value to_token_result(Napi::Env env, TokenBatch&& batch);

}  // namespace simgpt
