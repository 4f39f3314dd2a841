// Every function that JavaScript can call enters here.
#pragma once

#include "errors.h"
#include "faults.h"
#include "napi.h"
#include "seeded_defects.h"

namespace simgpt {

using Binding = Napi::Value (*)(const Napi::CallbackInfo&);

template <Binding kBody>
napi_value entry(napi_env env, napi_callback_info info) noexcept {
  try {
    const Napi::CallbackInfo call(env, info);
    fault(Stage::kBinding);
    return kBody(call);
  } catch (const Napi::Error&) {
    throw_current_exception(env);
  } catch (...) {
    if constexpr (seeded(Defect::kBindingCatchMissing)) throw;
    throw_current_exception(env);
  }
  return nullptr;
}

template <Binding kBody>
Napi::Function make_function(Napi::Env env, const char* name) {
  napi_value function = nullptr;
  const napi_status status =
      napi_create_function(env, name, NAPI_AUTO_LENGTH, entry<kBody>, nullptr, &function);
  NAPI_THROW_IF_FAILED(env, status, Napi::Function());
  return Napi::Function(env, function);
}

// exports.name = kBody
template <Binding kBody>
void export_function(Napi::Object exports, const char* name) {
  exports.Set(name, make_function<kBody>(exports.Env(), name));
}

}  // namespace simgpt
