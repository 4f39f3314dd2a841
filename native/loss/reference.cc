#include "loss/reference.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include <type_traits>

#include "compat.h"
#include "loss/terms.h"

namespace simgpt {
namespace {

// A plain tensor on its own: inputs may come from inference mode or another graph.
at::Tensor leaf(const at::Tensor& values) {
  if (!values.defined()) return {};
  return values.detach().clone().requires_grad_(true);
}

struct Leaves {
  explicit Leaves(const LossBatch& batch)
      : anchors(leaf(batch.anchors)),
        positives(leaf(batch.positives)),
        hard_negatives(leaf(batch.hard_negatives)),
        log_temperature(at::zeros({}, batch.anchors.options()).requires_grad_(true)) {}

  at::Tensor anchors, positives, hard_negatives, log_temperature;
};

CosineGraph graph_of(const Leaves& leaves) {
  CosineGraph graph;
  graph.anchors = unit_rows(leaves.anchors);
  at::Tensor candidates = leaves.positives;  // [m, hidden]
  if (leaves.hard_negatives.defined()) {
    candidates = at::cat({leaves.positives, leaves.hard_negatives});
  }
  graph.candidates = unit_rows(candidates);
  graph.cosines = graph.anchors.mm(graph.candidates.t());
  graph.own_cosines = graph.cosines.diagonal();
  graph.log_temperature = leaves.log_temperature;
  return graph;
}

// Rows [n], or the value [] of a loss without shares.
at::Tensor loss_rows(const LossKind& kind, const CosineGraph& graph, const LossBatch& batch) {
  return std::visit(
      [&](const auto& loss) -> at::Tensor {
        using Kind = std::decay_t<decltype(loss)>;
        if constexpr (std::is_same_v<Kind, InfoNceLoss>) return info_nce_rows(loss, graph, batch);
        if constexpr (std::is_same_v<Kind, EnergyHingeLoss>) {
          return energy_hinge_rows(loss, graph, batch);
        }
        if constexpr (std::is_same_v<Kind, MultiCsrLoss>) return multi_csr_rows(loss, graph, batch);
        if constexpr (std::is_same_v<Kind, Qwen3Loss>) return qwen3_rows(loss, graph, batch);
        if constexpr (std::is_same_v<Kind, CoSentLoss>) return co_sent_value(loss, graph, batch);
        if constexpr (std::is_same_v<Kind, TripletLoss>) return triplet_rows(loss, graph, batch);
        if constexpr (std::is_same_v<Kind, DistillationLoss>) {
          return distillation_rows(loss, graph, batch);
        }
        TORCH_CHECK(false, "a loss of losses has no rows of its own");
      },
      kind);
}

at::Tensor gradient_of(const at::Tensor& values) {
  if (!values.defined()) return {};
  const at::Tensor grad = values.grad();
  return grad.defined() ? grad : at::zeros_like(values);
}

}  // namespace

LossResult reference_loss(const LossKind& kind, const LossBatch& batch) {
  const c10::InferenceMode plain(false);
  const c10::AutoGradMode recording(true);
  const Leaves leaves(batch);
  const at::Tensor rows = loss_rows(kind, graph_of(leaves), batch);
  const at::Tensor value = rows.sum();
  compat::backward(value, {});

  LossResult result;
  result.d_anchors = gradient_of(leaves.anchors);
  result.d_positives = gradient_of(leaves.positives);
  result.d_hard_negatives = gradient_of(leaves.hard_negatives);
  // All numbers in one copy: a device is waited for once a term.
  const at::Tensor numbers =
      at::cat({value.detach().view({1}), gradient_of(leaves.log_temperature).view({1}),
               rows.detach().view({-1})})
          .to(at::kCPU, at::kDouble);
  result.value = numbers[0].item<double>();
  result.d_log_temperature = numbers[1].item<double>();
  result.row_losses = rows.dim() == 0 ? at::zeros({batch.anchors.size(0)}, at::kDouble)
                                      : numbers.slice(0, 2).contiguous();
  return result;
}

}  // namespace simgpt
