// Exports that belong to no handle.
#pragma once

#include "napi.h"

namespace simgpt {

// buildInfo(): { libtorch, napiVersion, compiler, sourceHash }
Napi::Value build_info(const Napi::CallbackInfo& info);
// cpuInfo(): { level, avx2, avx512, vnni, bf16, amx, brand, affinity, quota, threads }
Napi::Value cpu_info(const Napi::CallbackInfo& info);
// setThreads(count): Promise<void>, a job: jobs called before it keep the count they had.
Napi::Value set_threads(const Napi::CallbackInfo& info);
// cancel(token): every job called with that token rejects with code `cancelled`.
Napi::Value cancel_job(const Napi::CallbackInfo& info);
// setErrorClass(class): what failures are instances of; constructed with (code, message).
Napi::Value set_error_class(const Napi::CallbackInfo& info);

}  // namespace simgpt
