#include "loss/fused_info_nce.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "loss/turns.h"

namespace simgpt {
namespace {

// log(1 + R) as peak and sum: R = sum * e^peak, peak >= 0. At peak 0 the digits of small R stay.
struct LogSum {
  float peak = 0;
  double sum = 0;

  void add(float other_peak, double other_sum) {
    if (other_peak > peak) {
      sum = sum * std::exp(static_cast<double>(peak) - other_peak) + other_sum;
      peak = other_peak;
    } else {
      sum += other_sum * std::exp(static_cast<double>(other_peak) - peak);
    }
  }
  double log1p() const {
    return peak == 0 ? std::log1p(sum) : peak + std::log(std::exp(-double{peak}) + sum);
  }
};

// Buffers of one thread.
struct Worker {
  explicit Worker(const ScorePlan& plan) : scores(plan.blocks, plan.rules) {}
  TileScores scores;
  float peaks[kTileRows] = {}, sums[kTileRows] = {};
  std::vector<float> column_peaks, column_sums;
};

// One of the matrices that rows of scores belong to, with what the backward pass needs of it.
struct RowSide {
  const UnitRows* unit;
  at::Tensor strips;    // per tile: right(k = row, c = feature)
  at::Tensor gradient;  // [n, hidden] with respect to unit rows
};

class Contrast {
 public:
  Contrast(const ScorePlan& plan, const ContrastOptions& options, const CancelToken& cancel)
      : plan_(plan),
        options_(options),
        cancel_(cancel),
        scale_(static_cast<float>(1 / options.temperature)),
        symmetric_(options.symmetric_weight > 0) {
    const auto workers = static_cast<size_t>(worker_count(panels()));
    for (size_t i = 0; i < workers; ++i) workers_.push_back(std::make_unique<Worker>(plan));
  }

  LossResult run() {
    forward();
    LossResult result = values();
    prepare_backward();
    backward();
    gradients(result);
    return result;
  }

 private:
  int64_t panels() const { return static_cast<int64_t>(plan_.panels.size()); }
  int64_t tiles() const { return static_cast<int64_t>(plan_.tiles.size()); }
  bool downwards(const Panel& panel) const { return symmetric_ && is_first(panel.block); }
  bool is_first(const Block* block) const { return block == &plan_.blocks.front(); }

  // Walks a panel: step(worker, tile) computes, add(worker, tile) adds to the rows in turn.
  template <typename Step, typename Add>
  void walk(const Step& step, const Add& add) {
    for_each_panel(panels(), tiles(), cancel_, [&](int number, Turns& turns, int64_t panel) {
      Worker& worker = *workers_[static_cast<size_t>(number)];
      worker.scores.start(plan_.panels[static_cast<size_t>(panel)]);
      for (int64_t t = 0; t < tiles(); ++t) {
        const Tile& tile = plan_.tiles[static_cast<size_t>(t)];
        const bool concerned = worker.scores.concerns(tile);
        if (concerned) {
          cancel_.poll();
          worker.scores.compute(tile);
          worker.scores.shift_own(tile);
          step(worker, tile);
        }
        if (!turns.wait(panel, t)) return;
        if (concerned) add(worker, tile);
        turns.pass(panel, t);
      }
    });
  }

  void forward() {
    rows_.assign(static_cast<size_t>(plan_.n()), {});
    columns_.assign(symmetric_ ? rows_.size() : 0, {});
    walk([&](Worker& worker, const Tile& tile) { sum_tile(worker, tile); },
         [&](Worker& worker, const Tile& tile) {
           for (int64_t r = 0; r < tile.count; ++r) {
             rows_[static_cast<size_t>(tile.first + r)].add(worker.peaks[r], worker.sums[r]);
           }
         });
  }

  void sum_tile(Worker& worker, const Tile& tile) {
    const int64_t stride = worker.scores.stride();
    const float* s = worker.scores.scores();
    for (int64_t r = 0; r < tile.count; ++r, s += stride) {
      const float p = plan_.own_cosines[static_cast<size_t>(tile.first + r)];
      const float peak = std::max(0.0F, (kernels_.row_max(s, stride) - p) * scale_);
      worker.peaks[r] = peak;
      worker.sums[r] = kernels_.row_exp_sum(s, stride, p, scale_, peak);
    }
    const Panel& panel = worker.scores.panel();
    if (!downwards(panel)) return;
    const auto filled = static_cast<size_t>(stride);
    worker.column_peaks.resize(filled);
    worker.column_sums.resize(filled);
    // Columns beyond the panel are dead: what stands in for their p does not matter.
    std::vector<float> p(filled, 0);
    std::copy_n(plan_.own_cosines.begin() + panel.first, panel.count, p.begin());
    kernels_.column_exp_sums(worker.scores.scores(), tile.count, stride, stride, p.data(), scale_,
                             worker.column_peaks.data(), worker.column_sums.data());
    for (int64_t c = 0; c < panel.count; ++c) {
      const auto at = static_cast<size_t>(c);
      columns_[static_cast<size_t>(panel.first) + at].add(worker.column_peaks[at],
                                                          worker.column_sums[at]);
    }
  }

  LossResult values() {
    const auto n = static_cast<size_t>(plan_.n());
    LossResult result;
    result.row_losses = at::empty({plan_.n()}, at::kDouble);
    double* losses = result.row_losses.data_ptr<double>();
    const double kappa = options_.symmetric_weight;
    // Room for whole registers at the end of a panel.
    for (auto* list : {&column_p_, &column_l_, &column_v_}) list->assign(n + 4 * kTileRows, 0);
    for (size_t i = 0; i < n; ++i) {
      const double v = options_.shares[i] / (1 + kappa);
      const double l = rows_[i].log1p();
      const double down = symmetric_ ? columns_[i].log1p() : 0;
      losses[i] = v * l + kappa * v * down;
      result.value += losses[i];
      row_l_.push_back(static_cast<float>(l));
      row_v_.push_back(static_cast<float>(v));
      own_.push_back(v * std::expm1(-l) + kappa * v * std::expm1(-down));
      column_p_[i] = plan_.own_cosines[i];
      column_l_[i] = static_cast<float>(down);
      column_v_[i] = static_cast<float>(kappa * v);
    }
    return result;
  }

  void prepare_backward() {
    for (const Block& block : plan_.blocks) {
      column_gradients_.push_back(at::zeros_like(block.columns->rows));
      const auto same = [&](const RowSide& side) { return side.unit == block.rows; };
      if (std::any_of(sides_.begin(), sides_.end(), same)) continue;
      const int64_t width = block.rows->width();
      const int64_t strips = (width + kernels_.strip - 1) / kernels_.strip;
      RowSide side{block.rows,
                   at::zeros({plan_.n(), strips * kernels_.strip}, block.rows->rows.options()),
                   at::zeros_like(block.rows->rows)};
      for (const Tile& tile : plan_.tiles) {
        pack_rows(block.rows->data() + tile.first * width, tile.count, width, kernels_.strip,
                  tile_strips(side, tile));
      }
      sides_.push_back(side);
    }
  }

  static float* tile_strips(const RowSide& side, const Tile& tile) {
    return side.strips.data_ptr<float>() + tile.first * side.strips.size(1);
  }

  RowSide& side_of(const UnitRows* unit) {
    return *std::find_if(sides_.begin(), sides_.end(),
                         [&](const RowSide& side) { return side.unit == unit; });
  }

  void backward() {
    walk([&](Worker& worker, const Tile& tile) { differentiate_tile(worker, tile); },
         [&](Worker& worker, const Tile& tile) {
           const Panel& panel = worker.scores.panel();
           RowSide& side = side_of(panel.block->rows);
           const int64_t width = side.unit->width();
           const int64_t stride = worker.scores.stride();
           float* out = side.gradient.data_ptr<float>() + tile.first * width;
           kernels_.multiply({worker.scores.scores(), stride, 1, worker.scores.column_strips(),
                              tile.count, panel.count, width, out, width, true});
         });
  }

  // Scores to G in place, then dC += G^T A: the panel's columns are this thread's alone.
  void differentiate_tile(Worker& worker, const Tile& tile) {
    const Panel& panel = worker.scores.panel();
    const int64_t stride = worker.scores.stride();
    float* s = worker.scores.scores();
    for (int64_t r = 0; r < tile.count; ++r, s += stride) {
      const auto row = static_cast<size_t>(tile.first + r);
      const float p = plan_.own_cosines[row];
      if (downwards(panel)) {
        const auto column = static_cast<size_t>(panel.first);
        kernels_.row_gradient_both(s, stride, p, scale_, row_l_[row], row_v_[row],
                                   &column_p_[column], &column_l_[column], &column_v_[column]);
      } else {
        kernels_.row_gradient(s, stride, p, scale_, row_l_[row], row_v_[row]);
      }
    }
    const RowSide& side = side_of(panel.block->rows);
    const auto block = static_cast<size_t>(panel.block - plan_.blocks.data());
    const int64_t width = side.unit->width();
    float* out = column_gradients_[block].data_ptr<float>() + panel.first * width;
    kernels_.multiply({worker.scores.scores(), 1, stride, tile_strips(side, tile), panel.count,
                       tile.count, width, out, width, true});
  }

  // sum_i <x_i, dX_i> over the rows of scores: -temperature d loss / d log temperature.
  double row_products() const {
    double sum = 0;
    for (const RowSide& side : sides_) {
      const float* x = side.unit->data();
      const float* dx = side.gradient.const_data_ptr<float>();
      for (int64_t i = 0; i < side.gradient.numel(); ++i) sum += static_cast<double>(x[i]) * dx[i];
    }
    for (size_t i = 0; i < own_.size(); ++i) sum += own_[i] * plan_.own_cosines[i];
    return sum;
  }

  at::Tensor gathered(const UnitRows& unit) {
    at::Tensor sum;
    const auto add = [&](const at::Tensor& part) { sum.defined() ? sum.add_(part) : sum = part; };
    for (const RowSide& side : sides_) {
      if (side.unit == &unit) add(side.gradient);
    }
    for (size_t i = 0; i < plan_.blocks.size(); ++i) {
      if (plan_.blocks[i].columns == &unit) add(column_gradients_[i]);
    }
    return sum;
  }

  void gradients(LossResult& result) {
    result.d_log_temperature = -row_products() / options_.temperature;
    at::Tensor d_anchors = gathered(plan_.anchors);
    at::Tensor d_positives = gathered(plan_.positives);
    const int64_t width = plan_.anchors.width();
    for (int64_t i = 0; i < plan_.n(); ++i) {
      const auto u = static_cast<float>(own_[static_cast<size_t>(i)]);
      const float* a = plan_.anchors.data() + i * width;
      const float* c = plan_.positives.data() + i * width;
      float* da = d_anchors.data_ptr<float>() + i * width;
      float* dc = d_positives.data_ptr<float>() + i * width;
      for (int64_t k = 0; k < width; ++k) da[k] += u * c[k];
      for (int64_t k = 0; k < width; ++k) dc[k] += u * a[k];
    }
    const double factor = 1 / options_.temperature;
    through_norm(d_anchors, plan_.anchors, factor);
    through_norm(d_positives, plan_.positives, factor);
    result.d_anchors = d_anchors;
    result.d_positives = d_positives;
    if (plan_.hard_negatives.rows.defined()) {
      result.d_hard_negatives = gathered(plan_.hard_negatives);
      through_norm(result.d_hard_negatives, plan_.hard_negatives, factor);
    }
  }

  const ScorePlan& plan_;
  const ContrastOptions& options_;
  const CancelToken& cancel_;
  const TileKernels& kernels_ = tile_kernels();
  const float scale_;
  const bool symmetric_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<LogSum> rows_, columns_;
  std::vector<float> row_l_, row_v_;                   // [n]
  std::vector<float> column_p_, column_l_, column_v_;  // [n and more]
  std::vector<double> own_;                            // [n] u: the positive's coefficient
  std::vector<RowSide> sides_;
  std::vector<at::Tensor> column_gradients_;  // per block
};

}  // namespace

void through_norm(at::Tensor& gradient, const UnitRows& unit, double factor) {
  const int64_t width = unit.width();
  const float* x = unit.data();
  const float* inverse_norms = unit.inverse_norms.const_data_ptr<float>();
  float* dx = gradient.data_ptr<float>();
  for (int64_t i = 0; i < unit.count(); ++i, x += width, dx += width) {
    double product = 0;
    for (int64_t k = 0; k < width; ++k) product += static_cast<double>(x[k]) * dx[k];
    const auto along = static_cast<float>(product);
    const auto scale = static_cast<float>(factor * inverse_norms[i]);
    for (int64_t k = 0; k < width; ++k) dx[k] = (dx[k] - x[k] * along) * scale;
  }
}

LossResult fused_contrast(const ScorePlan& plan, const ContrastOptions& options,
                          const CancelToken& cancel) {
  return Contrast(plan, options, cancel).run();
}

}  // namespace simgpt
