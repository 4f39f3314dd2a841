// Safetensors files as jobs of the lane.
#pragma once

#include "napi.h"

namespace simgpt {

// inspectSafetensors(path, token): Promise<{ fileBytes, metadata, tensors: [{ name, dtype, shape,
// bytes }] }>, in the order of the data. Reads and checks the header only.
Napi::Value inspect_safetensors(const Napi::CallbackInfo& info);
// readTensor(path, name, token): Promise<Float32Array>, for F32, F16 and BF16 tensors.
Napi::Value read_tensor(const Napi::CallbackInfo& info);
// copySafetensors(target, [{ path, tensors: [{ from, to, rows?, dtype? }] }], token):
// Promise<void>. Writes the named tensors of the sources into one file that replaces the target
// whole or not at all; of a tensor the rows of an Int32Array, in dtype 'F32' or 'F16', where they
// are given.
Napi::Value copy_safetensors_files(const Napi::CallbackInfo& info);

}  // namespace simgpt
