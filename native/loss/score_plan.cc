#include "loss/score_plan.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace simgpt {
namespace {

// Equal ids, equal numbers from 0: what a tile compares, at half the width.
std::vector<int32_t> number_densely(const at::Tensor& ids) {
  std::vector<int32_t> numbers;
  if (!ids.defined()) return numbers;
  std::unordered_map<int64_t, int32_t> seen;
  const int64_t* values = ids.const_data_ptr<int64_t>();
  numbers.reserve(static_cast<size_t>(ids.numel()));
  for (int64_t i = 0; i < ids.numel(); ++i) {
    numbers.push_back(seen.try_emplace(values[i], static_cast<int32_t>(seen.size())).first->second);
  }
  return numbers;
}

std::vector<float> row_dots(const UnitRows& a, const UnitRows& b) {
  std::vector<float> dots(static_cast<size_t>(a.count()));
  for (int64_t i = 0; i < a.count(); ++i) {
    const float* x = a.data() + i * a.width();
    const float* y = b.data() + i * b.width();
    double sum = 0;
    for (int64_t k = 0; k < a.width(); ++k) sum += static_cast<double>(x[k]) * y[k];
    dots[static_cast<size_t>(i)] = static_cast<float>(sum);
  }
  return dots;
}

UnitRows normalize_float(const at::Tensor& rows) { return unit_rows_of(rows.to(at::kFloat)); }

void read_references(ScorePlan& plan, const LossBatch& batch, const Exclusion& exclusion) {
  const int64_t n = plan.n();
  const at::Tensor& candidates = batch.reference_candidates;
  plan.reference_anchors = normalize_float(batch.reference_anchors);
  plan.reference_positives = normalize_float(candidates.narrow(0, 0, n));
  if (candidates.size(0) > n) {
    plan.reference_hard_negatives =
        normalize_float(candidates.narrow(0, n, candidates.size(0) - n));
  }
  plan.rules.reference = &plan.reference_anchors;
  // Above either bound is above the lower one.
  constexpr float kNone = std::numeric_limits<float>::infinity();
  const float above = exclusion.above ? static_cast<float>(*exclusion.above) : kNone;
  plan.rules.reference_limits.assign(static_cast<size_t>(n), above);
  if (!exclusion.margin) return;
  const std::vector<float> own = row_dots(plan.reference_anchors, plan.reference_positives);
  for (size_t i = 0; i < own.size(); ++i) {
    float& limit = plan.rules.reference_limits[i];
    limit = std::min(limit, static_cast<float>(own[i] - *exclusion.margin));
  }
}

std::unique_ptr<ScorePlan> read_operands(const LossBatch& batch) {
  auto plan = std::make_unique<ScorePlan>();
  plan->anchors = unit_rows_of(batch.anchors);
  plan->positives = unit_rows_of(batch.positives);
  if (batch.hard_negatives.defined() && batch.hard_negatives.size(0) > 0) {
    plan->hard_negatives = unit_rows_of(batch.hard_negatives);
  }
  plan->own_cosines = row_dots(plan->anchors, plan->positives);
  plan->text_ids = number_densely(batch.text_ids);
  plan->group_ids = number_densely(batch.group_ids);
  const auto n = static_cast<size_t>(plan->n());
  if (!plan->text_ids.empty()) {
    plan->rules.anchor_texts = plan->text_ids.data();
    plan->rules.positive_texts = plan->text_ids.data() + n;
  }
  if (!plan->group_ids.empty()) plan->rules.groups = plan->group_ids.data();
  for (int64_t first = 0; first < plan->n(); first += kTileRows) {
    plan->tiles.push_back({first, std::min(kTileRows, plan->n() - first)});
  }
  return plan;
}

// A block of texts whose ids begin at `place` of the batch's.
Block make_block(const ScorePlan& plan, const UnitRows& rows, const UnitRows& columns,
                 int64_t place) {
  Block block;
  block.rows = &rows;
  block.columns = &columns;
  if (!plan.text_ids.empty()) block.text_ids = plan.text_ids.data() + place;
  if (!plan.group_ids.empty()) block.group_ids = plan.group_ids.data() + place;
  return block;
}

void add_candidate_blocks(ScorePlan& plan, const LossBatch& batch, float shift, bool own_only) {
  const int64_t n = plan.n();
  Block positives = make_block(plan, plan.anchors, plan.positives, n);
  positives.diagonal = true;
  if (plan.rules.reference != nullptr) positives.reference = &plan.reference_positives;
  plan.blocks.push_back(positives);
  if (!plan.hard_negatives.rows.defined()) return;
  Block hard = make_block(plan, plan.anchors, plan.hard_negatives, 2 * n);
  hard.owner = batch.owner.const_data_ptr<int64_t>();
  hard.own_only = own_only;
  hard.own_shift = shift;
  if (plan.rules.reference != nullptr) hard.reference = &plan.reference_hard_negatives;
  plan.blocks.push_back(hard);
}

}  // namespace

bool ScorePlan::finite() const {
  return anchors.finite && positives.finite && hard_negatives.finite;
}

std::unique_ptr<ScorePlan> plan_info_nce(const LossBatch& batch, const Exclusion& exclusion,
                                         float shift) {
  std::unique_ptr<ScorePlan> plan = read_operands(batch);
  if (exclusion.active()) read_references(*plan, batch, exclusion);
  add_candidate_blocks(*plan, batch, shift, false);
  plan->panels = plan_panels(plan->blocks);
  return plan;
}

std::unique_ptr<ScorePlan> plan_qwen3(const LossBatch& batch, const Qwen3Loss& loss) {
  std::unique_ptr<ScorePlan> plan = read_operands(batch);
  plan->rules.groups = nullptr;
  plan->group_ids.clear();
  for (const float own : plan->own_cosines) {
    plan->rules.limits.push_back(own + static_cast<float>(loss.margin));
  }
  add_candidate_blocks(*plan, batch, 0, !loss.other_hard_negatives);
  Block anchors = make_block(*plan, plan->anchors, plan->anchors, 0);
  anchors.diagonal = true;
  plan->blocks.push_back(anchors);
  Block positives = make_block(*plan, plan->positives, plan->positives, plan->n());
  positives.diagonal = true;
  plan->blocks.push_back(positives);
  plan->panels = plan_panels(plan->blocks);
  return plan;
}

}  // namespace simgpt
