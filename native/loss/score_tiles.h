// Operands of the fused losses and the scores of one tile: which cells are negatives, and their
// cosines.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "loss/loss.h"
#include "loss/tile_kernels.h"

namespace simgpt {

constexpr int64_t kTileRows = 96;  // a multiple of every TileKernels' rows

// Unit rows of one matrix of embeddings.
struct UnitRows {
  at::Tensor rows;           // [count, width] float32; norm at least 1e-8
  at::Tensor inverse_norms;  // [count] float32
  bool finite = true;
  int64_t count() const { return rows.size(0); }
  int64_t width() const { return rows.size(1); }
  const float* data() const { return rows.const_data_ptr<float>(); }
};
UnitRows unit_rows_of(const at::Tensor& embeddings);

// Columns of scores: the rows of one matrix, compared with the rows of another.
struct Block {
  const UnitRows* rows = nullptr;     // [n, width]
  const UnitRows* columns = nullptr;  // [count, width]
  bool diagonal = false;              // column i of row i is no negative: the positive, or itself
  const int64_t* owner = nullptr;     // [count] of hard negatives, never falling
  bool own_only = false;              // others' hard negatives are no candidates
  float own_shift = 0;                // added to the cosine of own hard negatives: w * temperature
  // Equal ids are no negatives; null where not asked for.
  const int32_t* text_ids = nullptr;    // [count]
  const int32_t* group_ids = nullptr;   // [count]
  const UnitRows* reference = nullptr;  // [count, other width] beside RowRules::reference
};

// What a row knows of its candidates; all of n entries, null or absent where not asked for.
struct RowRules {
  const int32_t* anchor_texts = nullptr;
  const int32_t* positive_texts = nullptr;
  const int32_t* groups = nullptr;
  const UnitRows* reference = nullptr;  // of the anchors
  std::vector<float> reference_limits;  // candidates with a higher reference cosine are dropped
  std::vector<float> limits;            // candidates with a higher cosine are dropped
};

struct Panel {
  const Block* block;
  int64_t first, count;
};
std::vector<Panel> plan_panels(const std::vector<Block>& blocks);

struct Tile {
  int64_t first, count;
};

// One thread's buffers for one panel at a time.
class TileScores {
 public:
  TileScores(const std::vector<Block>& blocks, const RowRules& rules);

  void start(const Panel& panel);
  // False where no cell of the tile can be a negative; then nothing is computed.
  bool concerns(const Tile& tile) const;
  // Cosines [tile.count, stride()], dead cells -infinity; own_shift is not added yet.
  float* compute(const Tile& tile);
  void shift_own(const Tile& tile);

  float* scores() { return scores_.data_ptr<float>(); }
  int64_t stride() const { return stride_; }  // columns of the panel, filled up to a strip
  const float* column_strips();               // right(k = column, c = feature), made once
  const Panel& panel() const { return panel_; }

 private:
  void drop_equal(const Tile& tile, const int32_t* columns, const int32_t* rows);
  void drop_above_reference(const Tile& tile);
  void drop_dead(const Tile& tile);

  const TileKernels& kernels_ = tile_kernels();
  const RowRules& rules_;
  Panel panel_{};
  int64_t stride_ = 0;
  bool has_column_strips_ = false;
  at::Tensor features_;    // right(k = feature, c = column) of the panel
  at::Tensor columns_;     // right(k = column, c = feature)
  at::Tensor scores_;      // [kTileRows, stride]
  at::Tensor references_;  // as features_, of the reference encoder
  at::Tensor reference_scores_;
};

// right(k = row, c = feature) of rows [count, width]
void pack_rows(const float* rows, int64_t count, int64_t width, int64_t strip, float* packed);

}  // namespace simgpt
