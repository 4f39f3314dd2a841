// Every loss in plain ATen, float32 or float64, any device: the oracle of the fused forms, and the
// only form of the losses outside the family of InfoNCE. Gradients come from autograd.
#pragma once

#include "loss/loss.h"

namespace simgpt {

// A kind other than MatryoshkaLoss; `batch` was checked. parts is left empty.
LossResult reference_loss(const LossKind& kind, const LossBatch& batch);

}  // namespace simgpt
