// The losses of graded pairs, triplets and teachers.
#include <limits>

#include "loss/terms.h"

namespace simgpt {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

int64_t hard_count(const CosineGraph& graph) { return graph.columns() - graph.rows(); }

// [h] cosines of anchors to their own hard negatives.
at::Tensor hard_cosines(const CosineGraph& graph, const LossBatch& batch) {
  const at::Tensor owner = batch.owner.to(graph.cosines.device());
  const at::Tensor columns = at::arange(graph.rows(), graph.columns(), owner.options());
  return graph.cosines.flatten().index_select(0, owner * graph.columns() + columns);
}

// Values of hard negatives summed into the rows of their owners: rows [n] + values [h].
at::Tensor add_to_owners(const at::Tensor& rows, const at::Tensor& values, const LossBatch& batch) {
  return rows.index_add(0, batch.owner.to(rows.device()), values);
}

// 2 - 2 cos(student, teacher) of each row.
at::Tensor vector_gap(const at::Tensor& student, const at::Tensor& teacher) {
  return (student - unit_rows(teacher)).square().sum(1);
}

at::Tensor vector_rows(const CosineGraph& graph, const LossBatch& batch) {
  const int64_t n = graph.rows();
  const at::Tensor gaps = vector_gap(graph.candidates, batch.teacher_candidates);  // [m]
  at::Tensor rows = vector_gap(graph.anchors, batch.teacher_anchors) + gaps.narrow(0, 0, n);
  if (hard_count(graph) > 0) rows = add_to_owners(rows, gaps.narrow(0, n, gaps.size(0) - n), batch);
  return rows / static_cast<double>(n + graph.columns());
}

// sum t (log t - log s) of each row over the cells where `known`; [n]
at::Tensor kl_rows(const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& known) {
  const at::Tensor unknown = known.logical_not();
  const at::Tensor log_s = at::log_softmax(student.masked_fill(unknown, kMinusInfinity), 1);
  const at::Tensor log_t = at::log_softmax(teacher.masked_fill(unknown, kMinusInfinity), 1);
  const at::Tensor gap = log_t.masked_fill(unknown, 0) - log_s.masked_fill(unknown, 0);
  return (log_t.exp() * gap).sum(1);
}

at::Tensor similarity_rows(const DistillationLoss& loss, const CosineGraph& graph,
                           const LossBatch& batch) {
  const at::Tensor teacher =
      unit_rows(batch.teacher_anchors).mm(unit_rows(batch.teacher_candidates).t());  // [n, m]
  const auto n = static_cast<double>(graph.rows());
  if (loss.objective == DistillationLoss::Objective::kMse) {
    return (graph.cosines - teacher).square().sum(1) / (n * static_cast<double>(graph.columns()));
  }
  const at::Tensor all = at::ones_like(teacher, at::kBool);
  return kl_rows(graph.cosines / loss.temperature, teacher / loss.teacher_temperature, all) / n;
}

at::Tensor score_rows(const DistillationLoss& loss, const CosineGraph& graph,
                      const LossBatch& batch) {
  const int64_t n = graph.rows();
  const int64_t h = hard_count(graph);
  const at::Tensor scores = batch.teacher_scores.to(graph.cosines.options());
  if (loss.objective == DistillationLoss::Objective::kMse) {
    at::Tensor rows = (graph.own_cosines - scores.narrow(0, 0, n)).square();
    if (h > 0) {
      const at::Tensor gaps = (hard_cosines(graph, batch) - scores.narrow(0, n, h)).square();
      rows = add_to_owners(rows, gaps, batch);
    }
    return rows / static_cast<double>(n + h);
  }
  const at::Tensor known = positive_mask(batch).logical_or_(own_mask(batch));
  const at::Tensor teacher = scores.unsqueeze(0) / loss.teacher_temperature * known;  // [n, m]
  return kl_rows(graph.cosines / loss.temperature, teacher, known) / static_cast<double>(n);
}

}  // namespace

at::Tensor co_sent_value(const CoSentLoss& loss, const CosineGraph& graph, const LossBatch& batch) {
  const at::Tensor grades = batch.grades.to(graph.cosines.device());
  const at::Tensor not_above = grades.unsqueeze(1).le(grades.unsqueeze(0));  // [n u, n v]
  const at::Tensor cosines = graph.own_cosines;
  const at::Tensor d = (cosines.unsqueeze(0) - cosines.unsqueeze(1)) / loss.temperature;
  return log1p_sum_exp(d.masked_fill(not_above, kMinusInfinity).flatten().unsqueeze(0)).sum();
}

at::Tensor triplet_rows(const TripletLoss& loss, const CosineGraph& graph, const LossBatch& batch) {
  const int64_t n = graph.rows();
  const int64_t h = hard_count(graph);
  if (h == 0) return energy_hinge_rows({loss.margin}, graph, batch);
  const at::Tensor owner = batch.owner.to(graph.cosines.device());
  const at::Tensor own = graph.own_cosines.index_select(0, owner);  // [h]
  const at::Tensor gaps = (loss.margin - own + hard_cosines(graph, batch)).clamp_min(0);
  const at::Tensor rows = at::zeros({n}, graph.cosines.options());
  return add_to_owners(rows, gaps, batch) / static_cast<double>(h);
}

at::Tensor distillation_rows(const DistillationLoss& loss, const CosineGraph& graph,
                             const LossBatch& batch) {
  switch (loss.target) {
    case DistillationLoss::Target::kVectors:
      return vector_rows(graph, batch);
    case DistillationLoss::Target::kSimilarities:
      return similarity_rows(loss, graph, batch);
    case DistillationLoss::Target::kScores:
      return score_rows(loss, graph, batch);
  }
  TORCH_CHECK(false, "a target without a form");
}

}  // namespace simgpt
