#include "loss/loss.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <type_traits>

#include "loss/checks.h"
#include "loss/fused.h"
#include "loss/reference.h"

namespace simgpt {
namespace {

const char* kind_name(const LossKind& kind) {
  static constexpr const char* kNames[] = {"infoNce", "energyHinge", "multiCsr",     "qwen3",
                                           "coSent",  "triplet",     "distillation", "matryoshka"};
  static_assert(std::variant_size_v<LossKind> == std::size(kNames));
  return kNames[kind.index()];
}

void add_scaled(at::Tensor& sum, const at::Tensor& term, double factor) {
  if (!term.defined()) return;
  if (!sum.defined()) {
    sum = factor == 1 ? term : term * factor;
  } else {
    sum.add_(term, factor);
  }
}

void add_scaled(LossResult& sum, const LossResult& term, double factor) {
  sum.value += factor * term.value;
  sum.d_log_temperature += factor * term.d_log_temperature;
  add_scaled(sum.d_anchors, term.d_anchors, factor);
  add_scaled(sum.d_positives, term.d_positives, factor);
  add_scaled(sum.d_hard_negatives, term.d_hard_negatives, factor);
  add_scaled(sum.row_losses, term.row_losses, factor);
}

// A second term of a kind is told apart by its place: infoNce, infoNce#2.
std::string part_name(const LossResult& sum, const std::string& name) {
  const auto taken = [&](const std::string& wanted) {
    return std::any_of(sum.parts.begin(), sum.parts.end(),
                       [&](const auto& part) { return part.first == wanted; });
  };
  std::string unique = name;
  for (int place = 2; taken(unique); ++place) unique = name + "#" + std::to_string(place);
  return unique;
}

LossResult compute_terms(const LossSpec& spec, const LossBatch& batch, LossBackend backend,
                         const CancelToken& cancel);

at::Tensor leading(const at::Tensor& rows, int64_t size) {
  return rows.defined() ? rows.narrow(1, 0, size).contiguous() : at::Tensor();
}

// The batch as its first `size` dimensions see it. A teacher of the same width is cut alike; any
// other keeps its own similarities.
LossBatch cut(const LossBatch& batch, int64_t size) {
  LossBatch small = batch;
  small.anchors = leading(batch.anchors, size);
  small.positives = leading(batch.positives, size);
  small.hard_negatives = leading(batch.hard_negatives, size);
  const at::Tensor& teacher = batch.teacher_anchors;
  if (teacher.defined() && teacher.size(1) == batch.anchors.size(1)) {
    small.teacher_anchors = leading(teacher, size);
    small.teacher_candidates = leading(batch.teacher_candidates, size);
  }
  return small;
}

void add_leading(at::Tensor& sum, const at::Tensor& term, double factor) {
  if (term.defined()) sum.narrow(1, 0, term.size(1)).add_(term, factor);
}

LossResult compute_matryoshka(const MatryoshkaLoss& loss, const LossBatch& batch,
                              LossBackend backend, const CancelToken& cancel) {
  LossResult sum;
  sum.d_anchors = at::zeros_like(batch.anchors);
  sum.d_positives = at::zeros_like(batch.positives);
  if (batch.hard_negatives.defined()) sum.d_hard_negatives = at::zeros_like(batch.hard_negatives);
  for (size_t i = 0; i < loss.sizes.size(); ++i) {
    const double factor = loss.weights[i];
    LossResult part = compute_terms(loss.terms, cut(batch, loss.sizes[i]), backend, cancel);
    add_leading(sum.d_anchors, part.d_anchors, factor);
    add_leading(sum.d_positives, part.d_positives, factor);
    add_leading(sum.d_hard_negatives, part.d_hard_negatives, factor);
    for (const auto& [name, value] : part.parts) {
      sum.parts.emplace_back(std::to_string(loss.sizes[i]) + "." + name, value);
    }
    sum.value += factor * part.value;
    sum.d_log_temperature += factor * part.d_log_temperature;
    add_scaled(sum.row_losses, part.row_losses, factor);
  }
  return sum;
}

LossResult compute_term(const LossKind& kind, const LossBatch& batch, LossBackend backend,
                        const CancelToken& cancel) {
  if (const auto* nested = std::get_if<MatryoshkaLoss>(&kind)) {
    return compute_matryoshka(*nested, batch, backend, cancel);
  }
  const bool fused = backend == LossBackend::kFused && has_fused_form(kind, batch);
  LossResult result = fused ? fused_loss(kind, batch, cancel) : reference_loss(kind, batch);
  const auto* contrast = std::get_if<InfoNceLoss>(&kind);
  if (contrast == nullptr || !contrast->learns_temperature) result.d_log_temperature = 0;
  return result;
}

LossResult compute_terms(const LossSpec& spec, const LossBatch& batch, LossBackend backend,
                         const CancelToken& cancel) {
  LossResult sum;
  for (const LossTerm& term : spec) {
    cancel.poll();
    const LossResult part = compute_term(term.kind, batch, backend, cancel);
    const std::string name = part_name(sum, kind_name(term.kind));
    sum.parts.emplace_back(name, part.value);
    for (const auto& [inner, value] : part.parts) sum.parts.emplace_back(name + "." + inner, value);
    add_scaled(sum, part, term.weight);
  }
  return sum;
}

}  // namespace

LossResult compute_loss(const LossSpec& spec, const LossBatch& batch, LossBackend backend,
                        const CancelToken& cancel) {
  check_loss(spec, batch);
  return compute_terms(spec, batch, backend, cancel);
}

}  // namespace simgpt
