#include "loss/score_tiles.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/cpu.h"

namespace simgpt {
namespace {

constexpr double kLeastNorm = 1e-8;  // METHODS 1.1
constexpr float kDead = -std::numeric_limits<float>::infinity();

// Columns of a panel: its packed forms and its gradient should stay in the second-level cache.
int64_t panel_columns(int64_t width) { return width <= 512 ? 192 : 96; }

int64_t filled(int64_t count, int64_t strip) { return (count + strip - 1) / strip * strip; }

// right(k = feature, c = row), the last strip filled up with zeros
void pack_features(const float* rows, int64_t count, int64_t width, int64_t strip, float* packed) {
  for (int64_t first = 0; first < count; first += strip, packed += strip * width) {
    const int64_t here = std::min(strip, count - first);
    if (here < strip) std::memset(packed, 0, static_cast<size_t>(strip * width) * sizeof(float));
    for (int64_t c = 0; c < here; ++c) {
      const float* row = rows + (first + c) * width;
      for (int64_t k = 0; k < width; ++k) packed[k * strip + c] = row[k];
    }
  }
}

int64_t widest(const std::vector<Block>& blocks) {
  int64_t columns = 0;
  for (const Block& block : blocks) {
    columns =
        std::max(columns, std::min(panel_columns(block.columns->width()), block.columns->count()));
  }
  return columns;
}

}  // namespace

const TileKernels& tile_kernels() {
  switch (cpu_level()) {
    case CpuLevel::kAvx512:
      return tile_kernels_avx512();
    case CpuLevel::kAvx2:
      return tile_kernels_avx2();
    case CpuLevel::kBaseline:
      break;
  }
  return tile_kernels_baseline();
}

UnitRows unit_rows_of(const at::Tensor& embeddings) {
  const at::Tensor source = embeddings.contiguous();
  UnitRows unit{at::empty_like(source), at::empty({source.size(0)}, source.options()), true};
  const int64_t width = source.size(1);
  const float* from = source.const_data_ptr<float>();
  float* to = unit.rows.data_ptr<float>();
  float* inverse_norms = unit.inverse_norms.data_ptr<float>();
  for (int64_t i = 0; i < source.size(0); ++i, from += width, to += width) {
    double square = 0;
    for (int64_t k = 0; k < width; ++k) square += static_cast<double>(from[k]) * from[k];
    unit.finite = unit.finite && std::isfinite(square);
    const double inverse = 1 / std::max(std::sqrt(square), kLeastNorm);
    inverse_norms[i] = static_cast<float>(inverse);
    for (int64_t k = 0; k < width; ++k) to[k] = static_cast<float>(from[k] * inverse);
  }
  return unit;
}

void pack_rows(const float* rows, int64_t count, int64_t width, int64_t strip, float* packed) {
  for (int64_t first = 0; first < width; first += strip) {
    const auto bytes = static_cast<size_t>(std::min(strip, width - first)) * sizeof(float);
    for (int64_t k = 0; k < count; ++k, packed += strip) {
      std::memcpy(packed, rows + k * width + first, bytes);
    }
  }
}

std::vector<Panel> plan_panels(const std::vector<Block>& blocks) {
  std::vector<Panel> panels;
  for (const Block& block : blocks) {
    const int64_t width = panel_columns(block.columns->width());
    for (int64_t first = 0; first < block.columns->count(); first += width) {
      panels.push_back({&block, first, std::min(width, block.columns->count() - first)});
    }
  }
  return panels;
}

TileScores::TileScores(const std::vector<Block>& blocks, const RowRules& rules) : rules_(rules) {
  const int64_t strip = kernels_.strip;
  const UnitRows& columns = *blocks.front().columns;
  const int64_t most = filled(widest(blocks), strip);
  const auto options = columns.rows.options();
  features_ = at::empty({most, columns.width()}, options);
  columns_ = at::zeros({most, filled(columns.width(), strip)}, options);
  scores_ = at::empty({kTileRows, most}, options);
  if (rules.reference != nullptr) {
    references_ = at::empty({most, rules.reference->width()}, options);
    reference_scores_ = at::empty({kTileRows, most}, options);
  }
}

void TileScores::start(const Panel& panel) {
  panel_ = panel;
  stride_ = filled(panel.count, kernels_.strip);
  has_column_strips_ = false;
  const auto pack = [&](const UnitRows& unit, at::Tensor& packed) {
    pack_features(unit.data() + panel.first * unit.width(), panel.count, unit.width(),
                  kernels_.strip, packed.data_ptr<float>());
  };
  pack(*panel.block->columns, features_);
  if (panel.block->reference != nullptr) pack(*panel.block->reference, references_);
}

const float* TileScores::column_strips() {
  if (!has_column_strips_) {
    const UnitRows& unit = *panel_.block->columns;
    pack_rows(unit.data() + panel_.first * unit.width(), panel_.count, unit.width(), kernels_.strip,
              columns_.data_ptr<float>());
    has_column_strips_ = true;
  }
  return columns_.const_data_ptr<float>();
}

bool TileScores::concerns(const Tile& tile) const {
  if (!panel_.block->own_only) return true;
  const int64_t* owner = panel_.block->owner + panel_.first;
  return owner[panel_.count - 1] >= tile.first && owner[0] < tile.first + tile.count;
}

float* TileScores::compute(const Tile& tile) {
  const UnitRows& rows = *panel_.block->rows;
  const int64_t width = rows.width();
  kernels_.multiply({rows.data() + tile.first * width, width, 1, features_.const_data_ptr<float>(),
                     tile.count, width, stride_, scores(), stride_, false});
  drop_dead(tile);
  if (panel_.block->reference != nullptr) drop_above_reference(tile);
  return scores();
}

void TileScores::drop_equal(const Tile& tile, const int32_t* columns, const int32_t* rows) {
  if (columns == nullptr) return;
  columns += panel_.first;
  for (int64_t r = 0; r < tile.count; ++r) {
    float* s = scores() + r * stride_;
    const int32_t id = rows[tile.first + r];
    for (int64_t c = 0; c < panel_.count; ++c) s[c] = columns[c] == id ? kDead : s[c];
  }
}

void TileScores::drop_above_reference(const Tile& tile) {
  const UnitRows& anchors = *rules_.reference;
  const int64_t width = anchors.width();
  float* r = reference_scores_.data_ptr<float>();
  kernels_.multiply({anchors.data() + tile.first * width, width, 1,
                     references_.const_data_ptr<float>(), tile.count, width, stride_, r, stride_,
                     false});
  for (int64_t row = 0; row < tile.count; ++row, r += stride_) {
    float* s = scores() + row * stride_;
    const float limit = rules_.reference_limits[static_cast<size_t>(tile.first + row)];
    for (int64_t c = 0; c < panel_.count; ++c) s[c] = r[c] > limit ? kDead : s[c];
  }
}

void TileScores::drop_dead(const Tile& tile) {
  const Block& block = *panel_.block;
  for (int64_t r = 0; r < tile.count; ++r) {
    const int64_t row = tile.first + r;
    float* s = scores() + r * stride_;
    std::fill(s + panel_.count, s + stride_, kDead);
    if (!rules_.limits.empty()) {
      const float limit = rules_.limits[static_cast<size_t>(row)];
      for (int64_t c = 0; c < panel_.count; ++c) s[c] = s[c] > limit ? kDead : s[c];
    }
    if (block.own_only) {
      const int64_t* owner = block.owner + panel_.first;
      for (int64_t c = 0; c < panel_.count; ++c) s[c] = owner[c] != row ? kDead : s[c];
    }
    const int64_t itself = row - panel_.first;
    if (block.diagonal && itself >= 0 && itself < panel_.count) s[itself] = kDead;
  }
  drop_equal(tile, block.text_ids, rules_.anchor_texts);
  drop_equal(tile, block.text_ids, rules_.positive_texts);
  drop_equal(tile, block.group_ids, rules_.groups);
}

void TileScores::shift_own(const Tile& tile) {
  const Block& block = *panel_.block;
  if (block.owner == nullptr || block.own_shift == 0) return;
  const int64_t* begin = block.owner + panel_.first;
  const int64_t* end = begin + panel_.count;
  const int64_t* first = std::lower_bound(begin, end, tile.first);
  const int64_t* last = std::lower_bound(first, end, tile.first + tile.count);
  for (const int64_t* at = first; at < last; ++at) {
    scores()[(*at - tile.first) * stride_ + (at - begin)] += block.own_shift;
  }
}

}  // namespace simgpt
