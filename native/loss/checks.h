#pragma once

#include "loss/loss.h"

namespace simgpt {

// What compute_loss promises about its arguments; throws Error(kType) or Error(kRange).
void check_loss(const LossSpec& spec, const LossBatch& batch);

}  // namespace simgpt
