// What a fused loss reads: unit rows of the batch, the blocks of scores that its kind compares, and
// what each row leaves out.
#pragma once

#include <memory>
#include <vector>

#include "loss/score_tiles.h"

namespace simgpt {

struct ScorePlan {
  ScorePlan() = default;
  ScorePlan(const ScorePlan&) = delete;  // blocks point into it
  ScorePlan& operator=(const ScorePlan&) = delete;

  UnitRows anchors, positives, hard_negatives;
  UnitRows reference_anchors, reference_positives, reference_hard_negatives;
  std::vector<Block> blocks;
  RowRules rules;
  std::vector<float> own_cosines;            // [n] p
  std::vector<int32_t> text_ids, group_ids;  // [n + m] as LossBatch's, numbered densely
  std::vector<Panel> panels;
  std::vector<Tile> tiles;

  int64_t n() const { return anchors.count(); }
  bool finite() const;
};

// InfoNCE's blocks: anchors with positives, then with hard negatives. shift: w * temperature.
std::unique_ptr<ScorePlan> plan_info_nce(const LossBatch& batch, const Exclusion& exclusion,
                                         float shift);
// Those, without others' hard negatives unless asked for, then anchors with anchors and positives
// with positives; candidates above the margin are left out.
std::unique_ptr<ScorePlan> plan_qwen3(const LossBatch& batch, const Qwen3Loss& loss);

}  // namespace simgpt
