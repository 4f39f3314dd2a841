#include "loss/checks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <type_traits>

namespace simgpt {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorKind::kRange, what); }

std::string shape_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return "nothing";
  std::string text = "[";
  for (const int64_t size : tensor.sizes()) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  }
  return text + "]";
}

void require_shape(const at::Tensor& tensor, at::IntArrayRef shape, const char* name) {
  if (tensor.defined() && tensor.sizes() == shape) return;
  std::string wanted = "[";
  for (const int64_t size : shape) wanted += (wanted.size() > 1 ? ", " : "") + std::to_string(size);
  refuse(std::string("expected ") + name + " of shape " + wanted + "], received " +
         shape_of(tensor));
}

struct Sizes {
  int64_t n, h, hidden;
};

Sizes check_embeddings(const LossBatch& batch) {
  const at::Tensor& anchors = batch.anchors;
  const bool usable = anchors.defined() && anchors.dim() == 2 && anchors.size(0) > 0 &&
                      anchors.size(1) > 0 &&
                      (anchors.scalar_type() == at::kFloat || anchors.scalar_type() == at::kDouble);
  if (!usable) {
    throw Error(ErrorKind::kType,
                "expected anchors [n, hidden] of float32 or float64, n and hidden > 0");
  }
  const Sizes sizes{anchors.size(0),
                    batch.hard_negatives.defined() ? batch.hard_negatives.size(0) : 0,
                    anchors.size(1)};
  require_shape(batch.positives, {sizes.n, sizes.hidden}, "positives");
  if (batch.hard_negatives.defined()) {
    require_shape(batch.hard_negatives, {sizes.h, sizes.hidden}, "hard_negatives");
    require_shape(batch.owner, {sizes.h}, "owner");
  }
  for (const at::Tensor& other : {batch.positives, batch.hard_negatives}) {
    if (other.defined() &&
        (other.scalar_type() != anchors.scalar_type() || other.device() != anchors.device())) {
      throw Error(ErrorKind::kType, "expected embeddings of one dtype on one device");
    }
  }
  return sizes;
}

void check_ids(const at::Tensor& ids, int64_t count, const char* name) {
  if (!ids.defined()) return;
  require_shape(ids, {count}, name);
  if (ids.scalar_type() != at::kLong || !ids.is_cpu() || !ids.is_contiguous()) {
    throw Error(ErrorKind::kType, std::string("expected ") + name + " of int64 on the CPU");
  }
}

void check_owner(const LossBatch& batch, const Sizes& sizes) {
  if (sizes.h == 0) return;
  check_ids(batch.owner, sizes.h, "owner");
  const int64_t* owner = batch.owner.const_data_ptr<int64_t>();
  if (!std::is_sorted(owner, owner + sizes.h) || owner[0] < 0 || owner[sizes.h - 1] >= sizes.n) {
    refuse("expected owner to rise within 0 to " + std::to_string(sizes.n - 1));
  }
}

// What comes with a batch is compared, and a comparison with NaN is quietly false.
void require_finite(const at::Tensor& values, const std::string& name) {
  if (!values.defined()) return;
  const at::Tensor fine = at::isfinite(values).view({values.size(0), -1}).all(1);
  if (fine.all().item<bool>()) return;
  const auto place = fine.logical_not().to(at::kInt).argmax().item<int64_t>();
  refuse("expected finite " + name + ", received NaN or infinity at place " +
         std::to_string(place));
}

void check_foreign(const at::Tensor& anchors, const at::Tensor& candidates, const Sizes& sizes,
                   const std::string& name) {
  if (!anchors.defined() || anchors.dim() != 2)
    refuse("expected " + name + " of the batch's texts");
  require_shape(anchors, {sizes.n, anchors.size(1)}, (name + ", anchors").c_str());
  require_shape(candidates, {sizes.n + sizes.h, anchors.size(1)}, (name + ", candidates").c_str());
  require_finite(anchors, name + ", anchors");
  require_finite(candidates, name + ", candidates");
}

void check_positive(double value, const char* name) {
  if (!(value > 0))
    refuse(std::string("expected ") + name + " > 0, received " + std::to_string(value));
}

void check_exclusion(const Exclusion& exclusion, const LossBatch& batch, const Sizes& sizes) {
  if (!exclusion.active()) return;
  check_foreign(batch.reference_anchors, batch.reference_candidates, sizes, "reference embeddings");
}

void check_distillation(const DistillationLoss& loss, const LossBatch& batch, const Sizes& sizes) {
  check_positive(loss.temperature, "temperature");
  check_positive(loss.teacher_temperature, "teacher temperature");
  if (loss.target == DistillationLoss::Target::kScores) {
    require_shape(batch.teacher_scores, {sizes.n + sizes.h}, "teacher scores");
    require_finite(batch.teacher_scores, "teacher scores");
    return;
  }
  check_foreign(batch.teacher_anchors, batch.teacher_candidates, sizes, "teacher embeddings");
  if (loss.target != DistillationLoss::Target::kVectors) return;
  if (loss.objective == DistillationLoss::Objective::kKl) {
    refuse("expected the objective kl with the target similarities or scores, received vectors");
  }
  require_shape(batch.teacher_anchors, {sizes.n, sizes.hidden}, "teacher embeddings, anchors");
}

void check_matryoshka(const MatryoshkaLoss& loss, const LossBatch& batch, const Sizes& sizes) {
  if (loss.terms.empty() || loss.sizes.empty() || loss.sizes.size() != loss.weights.size()) {
    refuse("expected matryoshka to hold losses, sizes and as many weights");
  }
  for (const int64_t size : loss.sizes) {
    if (size < 1 || size > sizes.hidden) {
      refuse("expected a matryoshka size from 1 to " + std::to_string(sizes.hidden) +
             ", received " + std::to_string(size));
    }
  }
  for (const LossTerm& term : loss.terms) {
    if (std::holds_alternative<MatryoshkaLoss>(term.kind)) {
      refuse("expected losses other than matryoshka within matryoshka");
    }
  }
}

// Of the terms inside a matryoshka loss too; the teacher's vectors are then cut as the student's.
void check_terms(const LossSpec& spec, const LossBatch& batch, const Sizes& sizes) {
  for (const LossTerm& term : spec) {
    std::visit(
        [&](const auto& loss) {
          using Kind = std::decay_t<decltype(loss)>;
          if constexpr (std::is_same_v<Kind, MatryoshkaLoss>) {
            check_matryoshka(loss, batch, sizes);
            check_terms(loss.terms, batch, sizes);
          } else if constexpr (std::is_same_v<Kind, DistillationLoss>) {
            check_distillation(loss, batch, sizes);
          } else if constexpr (requires { loss.temperature; }) {
            check_positive(loss.temperature, "temperature");
          }
          if constexpr (std::is_same_v<Kind, InfoNceLoss>) {
            check_exclusion(loss.exclusion, batch, sizes);
          } else if constexpr (std::is_same_v<Kind, MultiCsrLoss>) {
            check_exclusion({loss.above, std::nullopt}, batch, sizes);
          } else if constexpr (std::is_same_v<Kind, CoSentLoss>) {
            require_shape(batch.grades, {sizes.n}, "grades");
            require_finite(batch.grades, "grades");
          }
        },
        term.kind);
  }
}

}  // namespace

void check_loss(const LossSpec& spec, const LossBatch& batch) {
  const Sizes sizes = check_embeddings(batch);
  check_owner(batch, sizes);
  check_ids(batch.group_ids, 2 * sizes.n + sizes.h, "group_ids");
  check_ids(batch.text_ids, 2 * sizes.n + sizes.h, "text_ids");
  if (batch.row_weights.defined()) {
    require_shape(batch.row_weights, {sizes.n}, "row_weights");
    require_finite(batch.row_weights, "row_weights");
  }
  if (spec.empty()) refuse("expected at least one loss, received none");
  check_terms(spec, batch, sizes);
}

}  // namespace simgpt
