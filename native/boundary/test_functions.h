// What the test module exports beside the addon's own names: faults on request, jobs of a stated
// length, handles of a stated size. Never part of the shipped addon.
#pragma once

#include "napi.h"

namespace simgpt {

void define_test_functions(Napi::Object exports);

}  // namespace simgpt
