#include "loss/terms.h"

#include <limits>

namespace simgpt {
namespace {

constexpr double kLeastNorm = 1e-8;  // METHODS 1.1
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

at::TensorOptions on_device(const LossBatch& batch, at::ScalarType dtype) {
  return batch.anchors.options().dtype(dtype);
}

int64_t candidate_count(const LossBatch& batch) {
  const int64_t hard = batch.hard_negatives.defined() ? batch.hard_negatives.size(0) : 0;
  return batch.positives.size(0) + hard;
}

// Weights of the rows, summing to 1. [n]
at::Tensor row_shares(const LossBatch& batch) {
  const int64_t n = batch.anchors.size(0);
  if (!batch.row_weights.defined()) {
    return at::full({n}, 1.0 / static_cast<double>(n), batch.anchors.options());
  }
  const at::Tensor weights = batch.row_weights.to(batch.anchors.options());
  return weights / weights.sum();
}

at::Tensor reference_cosines(const LossBatch& batch) {
  return unit_rows(batch.reference_anchors).mm(unit_rows(batch.reference_candidates).t());
}

}  // namespace

at::Tensor unit_rows(const at::Tensor& rows) {
  return rows / rows.norm(2, {1}, true).clamp_min(kLeastNorm);
}

at::Tensor own_mask(const LossBatch& batch) {
  const int64_t n = batch.anchors.size(0);
  const at::Tensor none = at::zeros({n, n}, on_device(batch, at::kBool));
  if (!batch.hard_negatives.defined()) return none;
  const at::Tensor owner = batch.owner.to(batch.anchors.device());
  const at::Tensor rows = at::arange(n, owner.options()).unsqueeze(1);
  return at::cat({none, rows.eq(owner.unsqueeze(0))}, 1);  // [n, m]
}

at::Tensor positive_mask(const LossBatch& batch) {
  const int64_t n = batch.anchors.size(0);
  return at::eye(n, candidate_count(batch), on_device(batch, at::kBool));
}

at::Tensor same_text(const LossBatch& batch, int64_t first, int64_t count) {
  const int64_t n = batch.anchors.size(0);
  const at::Tensor ids = batch.text_ids.to(batch.anchors.device());
  const at::Tensor texts = ids.narrow(0, first, count).unsqueeze(0);
  const at::Tensor anchors = ids.narrow(0, 0, n).unsqueeze(1);
  const at::Tensor positives = ids.narrow(0, n, n).unsqueeze(1);
  return texts.eq(anchors).logical_or_(texts.eq(positives));
}

at::Tensor live_mask(const LossBatch& batch, const Exclusion& exclusion) {
  const int64_t n = batch.anchors.size(0);
  const int64_t m = candidate_count(batch);
  at::Tensor dead = positive_mask(batch);
  if (batch.text_ids.defined()) dead.logical_or_(same_text(batch, n, m));
  if (batch.group_ids.defined()) {
    const at::Tensor ids = batch.group_ids.to(batch.anchors.device());
    dead.logical_or_(ids.narrow(0, n, m).unsqueeze(0).eq(ids.narrow(0, 0, n).unsqueeze(1)));
  }
  if (exclusion.active()) {
    const at::Tensor r = reference_cosines(batch);
    if (exclusion.above) dead.logical_or_(r.gt(*exclusion.above));
    if (exclusion.margin) {
      dead.logical_or_(r.gt(r.diagonal().unsqueeze(1) - *exclusion.margin));
    }
  }
  return dead.logical_not_();
}

at::Tensor log1p_sum_exp(const at::Tensor& d) {
  const at::Tensor peak = std::get<0>(d.detach().max(1)).clamp_min(0);  // [n] M >= 0
  const at::Tensor sum = (d - peak.unsqueeze(1)).exp().sum(1);
  // One branch's arguments stay harmless where the other is taken, so no gradient is NaN.
  const at::Tensor shifted = (-peak).exp() + sum;
  const at::Tensor high = peak.gt(0);
  return at::where(high, peak + at::where(high, shifted, at::ones_like(shifted)).log(),
                   at::where(high, at::zeros_like(sum), sum).log1p());
}

at::Tensor info_nce_rows(const InfoNceLoss& loss, const CosineGraph& graph,
                         const LossBatch& batch) {
  const int64_t n = graph.rows();
  const at::Tensor live = live_mask(batch, loss.exclusion);
  const at::Tensor dead = live.logical_not();
  const at::Tensor per_unit = (-graph.log_temperature).exp() / loss.temperature;
  const auto scores = [&](const at::Tensor& cosines, const at::Tensor& own) {
    return (cosines - own) * per_unit;
  };
  at::Tensor d = scores(graph.cosines, graph.own_cosines.unsqueeze(1));  // [n, m]
  if (loss.hard_negative_weight != 0) {
    // In d's dtype: a bool times a number is float32.
    d = d + own_mask(batch).to(d.scalar_type()) * loss.hard_negative_weight;
  }
  const at::Tensor shares = row_shares(batch) / (1 + loss.symmetric_weight);
  at::Tensor rows = shares * log1p_sum_exp(d.masked_fill(dead, kMinusInfinity));
  if (loss.symmetric_weight > 0) {
    const at::Tensor columns = scores(graph.cosines.narrow(1, 0, n), graph.own_cosines.unsqueeze(0))
                                   .masked_fill(dead.narrow(1, 0, n), kMinusInfinity)
                                   .t();  // [n positives, n anchors]
    rows = rows + loss.symmetric_weight * shares * log1p_sum_exp(columns);
  }
  return rows;
}

at::Tensor energy_hinge_rows(const EnergyHingeLoss& loss, const CosineGraph& graph,
                             const LossBatch& batch) {
  const at::Tensor dead = live_mask(batch, {}).logical_not_();
  const at::Tensor hardest =
      std::get<0>(graph.cosines.masked_fill(dead, kMinusInfinity).max(1));  // [n]
  const auto n = static_cast<double>(graph.rows());
  return (loss.margin - graph.own_cosines + hardest).clamp_min(0) / n;
}

at::Tensor multi_csr_rows(const MultiCsrLoss& loss, const CosineGraph& graph,
                          const LossBatch& batch) {
  const Exclusion exclusion{loss.above, std::nullopt};
  if (!loss.zero_score) {
    InfoNceLoss masked;
    masked.temperature = loss.temperature;
    masked.exclusion = exclusion;
    return info_nce_rows(masked, graph, batch);
  }
  // The released form: a masked cell stays in the denominator as e^0; METHODS 1.4.
  const at::Tensor positive = positive_mask(batch);
  const at::Tensor kept = live_mask(batch, exclusion).logical_or(positive);
  const at::Tensor scores = (graph.cosines * kept) / loss.temperature;
  const at::Tensor log_p = at::log_softmax(scores, 1);
  // A saturated cell has p = 1: its log is the released clamp, and its gradient 0, not NaN.
  const at::Tensor p = log_p.exp();
  const at::Tensor saturated = p.ge(1);
  const at::Tensor log_rest =
      at::log1p(-p.masked_fill(saturated, 0)).masked_fill(saturated, -100).clamp_min(-100);
  const at::Tensor entropy = at::where(positive, log_p.clamp_min(-100), log_rest);
  const auto cells = static_cast<double>(graph.rows() * graph.columns());
  return -entropy.sum(1) / cells;
}

at::Tensor qwen3_rows(const Qwen3Loss& loss, const CosineGraph& graph, const LossBatch& batch) {
  const int64_t n = graph.rows();
  const at::Tensor own = graph.own_cosines.unsqueeze(1);
  const at::Tensor itself = at::eye(n, on_device(batch, at::kBool));
  const at::Tensor limit = own.detach() + loss.margin;
  const auto block = [&](const at::Tensor& cosines, at::Tensor dead, int64_t first_text) {
    dead = dead.logical_or(cosines.detach().gt(limit));
    if (batch.text_ids.defined()) {
      dead = dead.logical_or(same_text(batch, first_text, cosines.size(1)));
    }
    return ((cosines - own) / loss.temperature).masked_fill(dead, kMinusInfinity);
  };
  at::Tensor foreign = positive_mask(batch);  // [n, m] what the anchor-candidate block leaves out
  if (!loss.other_hard_negatives && graph.columns() > n) {
    const at::Tensor not_own = own_mask(batch).narrow(1, n, graph.columns() - n).logical_not();
    foreign.narrow(1, n, graph.columns() - n).copy_(not_own);
  }
  const at::Tensor positives = graph.candidates.narrow(0, 0, n);
  const at::Tensor d = at::cat(
      {block(graph.cosines, foreign, n), block(graph.anchors.mm(graph.anchors.t()), itself, 0),
       block(positives.mm(positives.t()), itself, n)},
      1);
  return row_shares(batch) * log1p_sum_exp(d);
}

}  // namespace simgpt
