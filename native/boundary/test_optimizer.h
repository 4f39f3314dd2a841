#pragma once

#include "napi.h"

namespace simgpt {

// adamWSteps(values, gradients, options, token): Promise<{ values, norms }>; values and gradients
// [steps, values] are Float32Arrays or Float64Arrays, options { decaying, copies, learningRates,
// maxGradNorm?, weightDecay, beta1, beta2, epsilon }: the first `decaying` values are one
// parameter, the rest another without decay; all of it `copies` times over.
Napi::Value adamw_steps(const Napi::CallbackInfo& info);

}  // namespace simgpt
