#include "loss/fused.h"

#include <ATen/ATen.h>

#include <limits>

#include "loss/fused_info_nce.h"

namespace simgpt {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> row_shares(const LossBatch& batch) {
  const auto n = static_cast<size_t>(batch.anchors.size(0));
  if (!batch.row_weights.defined()) return std::vector<double>(n, 1.0 / static_cast<double>(n));
  const at::Tensor weights = batch.row_weights.to(at::kCPU, at::kDouble).contiguous();
  const double* values = weights.const_data_ptr<double>();
  double total = 0;
  for (size_t i = 0; i < n; ++i) total += values[i];
  std::vector<double> shares(values, values + n);
  for (double& share : shares) share /= total;
  return shares;
}

// A vector that is no number makes everything it meets none: said at once, in every value.
LossResult not_finite(const LossBatch& batch) {
  LossResult result;
  result.value = result.d_log_temperature = kNan;
  result.d_anchors = at::full_like(batch.anchors, kNan);
  result.d_positives = at::full_like(batch.positives, kNan);
  if (batch.hard_negatives.defined()) {
    result.d_hard_negatives = at::full_like(batch.hard_negatives, kNan);
  }
  result.row_losses = at::full({batch.anchors.size(0)}, kNan, at::kDouble);
  return result;
}

LossResult contrast(const LossBatch& batch, const InfoNceLoss& loss, const CancelToken& cancel) {
  const double shift = loss.hard_negative_weight * loss.temperature;
  const auto plan = plan_info_nce(batch, loss.exclusion, static_cast<float>(shift));
  if (!plan->finite()) return not_finite(batch);
  return fused_contrast(*plan, {loss.temperature, loss.symmetric_weight, row_shares(batch)},
                        cancel);
}

LossResult compute(const LossBatch& batch, const InfoNceLoss& loss, const CancelToken& cancel) {
  return contrast(batch, loss, cancel);
}

LossResult compute(const LossBatch& batch, const MultiCsrLoss& loss, const CancelToken& cancel) {
  return contrast(batch, {loss.temperature, 0, 0, {loss.above, std::nullopt}}, cancel);
}

LossResult compute(const LossBatch& batch, const EnergyHingeLoss& loss, const CancelToken& cancel) {
  const auto plan = plan_info_nce(batch, {}, 0);
  return plan->finite() ? fused_hinge(*plan, loss.margin, cancel) : not_finite(batch);
}

LossResult compute(const LossBatch& batch, const Qwen3Loss& loss, const CancelToken& cancel) {
  const auto plan = plan_qwen3(batch, loss);
  if (!plan->finite()) return not_finite(batch);
  return fused_contrast(*plan, {loss.temperature, 0, row_shares(batch)}, cancel);
}

template <typename Kind>
concept HasFusedForm = requires(const Kind& kind, const LossBatch& batch, const CancelToken& t) {
                         compute(batch, kind, t);
                       };

}  // namespace

bool has_fused_form(const LossKind& kind, const LossBatch& batch) {
  if (!batch.anchors.is_cpu() || batch.anchors.scalar_type() != at::kFloat) return false;
  if (const auto* masked = std::get_if<MultiCsrLoss>(&kind)) return !masked->zero_score;
  return std::visit([](const auto& loss) { return HasFusedForm<std::decay_t<decltype(loss)>>; },
                    kind);
}

LossResult fused_loss(const LossKind& kind, const LossBatch& batch, const CancelToken& cancel) {
  return std::visit(
      [&](const auto& loss) -> LossResult {
        if constexpr (HasFusedForm<std::decay_t<decltype(loss)>>) {
          return compute(batch, loss, cancel);
        }
        throw Error(ErrorKind::kRange, "expected a loss with a fused form");
      },
      kind);
}

}  // namespace simgpt
