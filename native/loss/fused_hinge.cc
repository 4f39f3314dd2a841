#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "loss/fused_info_nce.h"
#include "loss/turns.h"

namespace simgpt {
namespace {

// The largest cosine of a row to a negative, the lowest column first.
struct Hardest {
  float cosine = -std::numeric_limits<float>::infinity();
  size_t block = 0;
  int64_t column = 0;
};

struct Worker {
  explicit Worker(const ScorePlan& plan) : scores(plan.blocks, plan.rules) {}
  TileScores scores;
  float most[kTileRows] = {};
};

void keep_hardest(const ScorePlan& plan, Worker& worker, const Tile& tile,
                  std::vector<Hardest>& hardest) {
  const Panel& panel = worker.scores.panel();
  for (int64_t r = 0; r < tile.count; ++r) {
    Hardest& best = hardest[static_cast<size_t>(tile.first + r)];
    if (worker.most[r] <= best.cosine) continue;
    const float* s = worker.scores.scores() + r * worker.scores.stride();
    const float* found = std::find(s, s + panel.count, worker.most[r]);
    best = {worker.most[r], static_cast<size_t>(panel.block - plan.blocks.data()),
            panel.first + (found - s)};
  }
}

std::vector<Hardest> find_hardest(const ScorePlan& plan, const CancelToken& cancel) {
  const TileKernels& kernels = tile_kernels();
  const auto panels = static_cast<int64_t>(plan.panels.size());
  const auto tiles = static_cast<int64_t>(plan.tiles.size());
  std::vector<std::unique_ptr<Worker>> workers;
  for (int i = 0; i < worker_count(panels); ++i) workers.push_back(std::make_unique<Worker>(plan));
  std::vector<Hardest> hardest(static_cast<size_t>(plan.n()));
  for_each_panel(panels, tiles, cancel, [&](int number, Turns& turns, int64_t panel) {
    Worker& worker = *workers[static_cast<size_t>(number)];
    worker.scores.start(plan.panels[static_cast<size_t>(panel)]);
    for (int64_t t = 0; t < tiles; ++t) {
      const Tile& tile = plan.tiles[static_cast<size_t>(t)];
      cancel.poll();
      const float* s = worker.scores.compute(tile);
      const int64_t stride = worker.scores.stride();
      for (int64_t r = 0; r < tile.count; ++r) {
        worker.most[r] = kernels.row_max(s + r * stride, stride);
      }
      if (!turns.wait(panel, t)) return;
      keep_hardest(plan, worker, tile, hardest);
      turns.pass(panel, t);
    }
  });
  return hardest;
}

void add_row(at::Tensor& to, int64_t row, const UnitRows& from, int64_t source, float factor) {
  const int64_t width = from.width();
  float* out = to.data_ptr<float>() + row * width;
  const float* in = from.data() + source * width;
  for (int64_t k = 0; k < width; ++k) out[k] += factor * in[k];
}

}  // namespace

LossResult fused_hinge(const ScorePlan& plan, double margin, const CancelToken& cancel) {
  const std::vector<Hardest> hardest = find_hardest(plan, cancel);
  const double share = 1 / static_cast<double>(plan.n());
  LossResult result;
  result.row_losses = at::zeros({plan.n()}, at::kDouble);
  result.d_anchors = at::zeros_like(plan.anchors.rows);
  result.d_positives = at::zeros_like(plan.positives.rows);
  const bool hard = plan.hard_negatives.rows.defined();
  if (hard) result.d_hard_negatives = at::zeros_like(plan.hard_negatives.rows);
  const auto e = static_cast<float>(share);
  for (int64_t i = 0; i < plan.n(); ++i) {
    const Hardest& found = hardest[static_cast<size_t>(i)];
    const double gap = margin - plan.own_cosines[static_cast<size_t>(i)] + found.cosine;
    if (gap <= 0) continue;
    result.row_losses.data_ptr<double>()[i] = share * gap;
    result.value += share * gap;
    const Block& block = plan.blocks[found.block];
    at::Tensor& d_hardest = found.block == 0 ? result.d_positives : result.d_hard_negatives;
    add_row(result.d_anchors, i, *block.columns, found.column, e);
    add_row(result.d_anchors, i, plan.positives, i, -e);
    add_row(result.d_positives, i, plan.anchors, i, -e);
    add_row(d_hardest, found.column, plan.anchors, i, e);
  }
  through_norm(result.d_anchors, plan.anchors, 1);
  through_norm(result.d_positives, plan.positives, 1);
  if (hard) through_norm(result.d_hard_negatives, plan.hard_negatives, 1);
  return result;
}

}  // namespace simgpt
