// The family of InfoNCE on the CPU without a matrix of scores: tiles are computed, used and
// computed again for the gradient (PERFORMANCE 7). Extra memory is O((n + m) hidden). Equal inputs
// give equal bits, whatever the number of threads.
#pragma once

#include "loss/loss.h"

namespace simgpt {

// Whether fused_loss takes this term: InfoNCE, the hinge, MultiCSR with exclusion and the Qwen3
// form, on float32 of the CPU.
bool has_fused_form(const LossKind& kind, const LossBatch& batch);

// As reference_loss. Throws Error("cancelled").
LossResult fused_loss(const LossKind& kind, const LossBatch& batch, const CancelToken& cancel);

}  // namespace simgpt
