#pragma once

#include "napi.h"

namespace simgpt {

// measureInfoNce({ examples, hardNegatives, width, temperature, form, rounds, seed }, token):
// Promise<{ value, anchors, seconds, cpuSeconds, extraBytes }> of random embeddings made natively.
//   form: 'fused', 'reference', or 'plain': what a program on LibTorch writes, cross entropy over
//   one matrix of scores with autograd. seconds: the best round's, forward and backward.
//   extraBytes: the most that tensors held at once, inputs and gradients not counted.
Napi::Value measure_info_nce(const Napi::CallbackInfo& info);

}  // namespace simgpt
