// NativeEncoder, the JavaScript face of simgpt::Encoder.
#pragma once

#include "napi.h"

namespace simgpt {

// exports.NativeEncoder and exports.loadEncoder.
void define_encoder(Napi::Object exports);

}  // namespace simgpt
