#pragma once

#include "napi.h"

namespace simgpt {

// computeLoss(losses, embeddings, inputs, backend, token)
Napi::Value compute_loss_of(const Napi::CallbackInfo& info);

}  // namespace simgpt
