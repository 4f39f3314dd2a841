#include "functions.h"

#include <torch/version.h>

#include "../cpu/cpu.h"
#include "arguments.h"
#include "environment.h"

namespace simgpt {

Napi::Value build_info(const Napi::CallbackInfo& info) {
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("libtorch", TORCH_VERSION);
  object.Set("napiVersion", NAPI_VERSION);
  object.Set("compiler", "g++ " __VERSION__);
  object.Set("sourceHash", SIMGPT_SOURCE_HASH);
  return object;
}

Napi::Value cpu_info(const Napi::CallbackInfo& info) {
  const CpuFeatures& features = cpu_features();
  const std::optional<double> quota = cgroup_quota();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("level", cpu_level_name(features.level));
  object.Set("avx2", features.avx2);
  object.Set("avx512", features.avx512);
  object.Set("vnni", features.vnni);
  object.Set("bf16", features.bf16);
  object.Set("amx", features.amx);
  object.Set("brand", features.brand);
  object.Set("affinity", affinity_count());
  object.Set("quota", quota ? Napi::Value::From(info.Env(), *quota) : info.Env().Null());
  object.Set("threads", thread_count());
  return object;
}

Napi::Value set_threads(const Napi::CallbackInfo& info) {
  const auto threads = static_cast<int>(integer_argument(info[0], "threads", 1, kMaxThreads));
  fault(Stage::kArguments);
  return schedule(
      info.Env(), 0, info.Env().Undefined(),
      [threads](const CancelToken&, const ReportProgress&) {
        set_thread_count(threads);
        apply_threads();
      },
      [](Napi::Env env, std::monostate) -> Napi::Value { return env.Undefined(); });
}

Napi::Value cancel_job(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).cancel(integer_argument(info[0], "token", 1, kMaxInteger));
  return info.Env().Undefined();
}

Napi::Value set_error_class(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) throw_wrong_type("errorClass", "a function", info[0]);
  Environment::of(info.Env()).error_class() = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

}  // namespace simgpt
