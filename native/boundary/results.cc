#include "results.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>

#include <cstring>
#include <memory>
#include <utility>

#include "../error.h"

namespace simgpt {

namespace {

// Below this a copy is cheaper than a buffer with a finalizer.
constexpr size_t kCopyBytes = 16 * 1024;

Napi::Value copied_buffer(Napi::Env env, const void* data, size_t bytes) {
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes);
  if (bytes > 0) std::memcpy(buffer.Data(), data, bytes);
  return buffer;
}

// A buffer over `data`, which `owner` keeps alive until the buffer is collected. (Node copies
// such a buffer where a program asks to transfer it.)
template <typename Owner>
Napi::Value owning_buffer(Napi::Env env, void* data, size_t bytes, Owner owner) {
  if (bytes < kCopyBytes) return copied_buffer(env, data, bytes);
  auto kept = std::make_unique<Owner>(std::move(owner));
  const auto release = [](napi_env, void*, void* hint) { delete static_cast<Owner*>(hint); };
  napi_value buffer = nullptr;
  const napi_status status =
      napi_create_external_arraybuffer(env, data, bytes, release, kept.get(), &buffer);
  if (status == napi_no_external_buffers_allowed) return copied_buffer(env, data, bytes);
  NAPI_THROW_IF_FAILED(env, status, Napi::Value());
  kept.release();
  return Napi::Value(env, buffer);
}

Napi::Value array_over(napi_typedarray_type type, size_t length, Napi::Value buffer) {
  napi_value array = nullptr;
  const napi_status status = napi_create_typedarray(buffer.Env(), type, length, buffer, 0, &array);
  NAPI_THROW_IF_FAILED(buffer.Env(), status, Napi::Value());
  return Napi::Value(buffer.Env(), array);
}

template <typename Element>
Napi::Value vector_to_array(Napi::Env env, napi_typedarray_type type,
                            std::vector<Element>&& values) {
  const size_t length = values.size();
  Element* const data = values.data();  // stays where it is when the vector moves
  return array_over(type, length,
                    owning_buffer(env, data, length * sizeof(Element), std::move(values)));
}

}  // namespace

Napi::Value to_typed_array(Napi::Env env, at::Tensor tensor) {
  const at::ScalarType type = tensor.scalar_type();
  const bool readable = tensor.device().is_cpu() && tensor.is_contiguous() &&
                        (type == at::kFloat || type == at::kDouble);
  if (!readable) throw Error("nativeFailure", "expected a contiguous float result on the CPU");
  void* const data = tensor.data_ptr();
  const auto length = static_cast<size_t>(tensor.numel());
  const size_t bytes = length * tensor.element_size();
  return array_over(type == at::kFloat ? napi_float32_array : napi_float64_array, length,
                    owning_buffer(env, data, bytes, std::move(tensor)));
}

Napi::Value to_int32_array(Napi::Env env, std::vector<int32_t>&& values) {
  return vector_to_array(env, napi_int32_array, std::move(values));
}

Napi::Value to_uint8_array(Napi::Env env, std::vector<uint8_t>&& values) {
  return vector_to_array(env, napi_uint8_array, std::move(values));
}

Napi::Value to_token_result(Napi::Env env, TokenBatch&& batch) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("tokenIds", to_int32_array(env, std::move(batch.token_ids)));
  object.Set("cuSeqlens", to_int32_array(env, std::move(batch.cu_seqlens)));
  object.Set("fullLengths", to_int32_array(env, std::move(batch.full_lengths)));
  return object;
}

}  // namespace simgpt
