// The losses on a graph: from leaves to rows [n] whose sum is the loss.
#pragma once

#include <ATen/ATen.h>

#include "loss/loss.h"

namespace simgpt {

// Unit rows and cosines of one batch, on autograd's graph.
struct CosineGraph {
  at::Tensor anchors;          // [n, hidden] unit rows (norm at least 1e-8)
  at::Tensor candidates;       // [m, hidden] positives, then hard negatives
  at::Tensor cosines;          // [n, m]
  at::Tensor own_cosines;      // [n] of anchor and positive
  at::Tensor log_temperature;  // [] 0: a factor e^log_temperature on every temperature
  int64_t rows() const { return anchors.size(0); }
  int64_t columns() const { return candidates.size(0); }
};

at::Tensor unit_rows(const at::Tensor& rows);

// Masks [n, m], bool, on the device of the batch.
at::Tensor own_mask(const LossBatch& batch);       // j is a hard negative of i
at::Tensor positive_mask(const LossBatch& batch);  // j == i
// False where a candidate is the positive, or a negative in name only: same group, same text, or
// taken for a false negative by the reference encoder.
at::Tensor live_mask(const LossBatch& batch, const Exclusion& exclusion);
// [n, count], true where ids [2n + h] of row i's anchor or positive equal that of a text; texts are
// ids[first ... first + count).
at::Tensor same_text(const LossBatch& batch, int64_t first, int64_t count);

// log(1 + sum of exp(d) over a row): digits kept near 0, no overflow; d [n, any], -inf allowed.
at::Tensor log1p_sum_exp(const at::Tensor& d);

at::Tensor info_nce_rows(const InfoNceLoss& loss, const CosineGraph& graph, const LossBatch& batch);
at::Tensor energy_hinge_rows(const EnergyHingeLoss& loss, const CosineGraph& graph,
                             const LossBatch& batch);
at::Tensor multi_csr_rows(const MultiCsrLoss& loss, const CosineGraph& graph,
                          const LossBatch& batch);
at::Tensor qwen3_rows(const Qwen3Loss& loss, const CosineGraph& graph, const LossBatch& batch);
// A loss of all rows together: [].
at::Tensor co_sent_value(const CoSentLoss& loss, const CosineGraph& graph, const LossBatch& batch);
at::Tensor triplet_rows(const TripletLoss& loss, const CosineGraph& graph, const LossBatch& batch);
at::Tensor distillation_rows(const DistillationLoss& loss, const CosineGraph& graph,
                             const LossBatch& batch);

}  // namespace simgpt
