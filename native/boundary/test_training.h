// What the test module exports of training: one step on the packed path or by the oracle, random
// words by each kernel, and counts.
#pragma once

#include "napi.h"

namespace simgpt {

void define_training_test_functions(Napi::Object exports);

}  // namespace simgpt
