#pragma once

#include "napi.h"

namespace simgpt {

// NativeTraining and loadTraining (ts/native_training.ts).
void define_training(Napi::Object exports);

}  // namespace simgpt
