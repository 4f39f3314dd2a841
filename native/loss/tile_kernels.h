// The arithmetic of one tile of scores, once per instruction set: products of small matrices and
// the exponentials of a row or column. Plain floats; nothing here allocates.
#pragma once

#include <cstdint>

namespace simgpt {

// out[r, c] = (add ? out[r, c] : 0) + sum_k left[r * left_row + k * left_step] * right(k, c).
// right is packed in strips of TileKernels::strip columns, [strips][depth][strip], the last one
// filled up with anything: columns beyond `columns` are never written.
struct TileProduct {
  const float* left;
  int64_t left_row, left_step;
  const float* right;
  int64_t rows, depth, columns;
  float* out;
  int64_t out_stride;
  bool add;
};

// Scores of a row are s; a dead cell holds -infinity and contributes exactly 0. Counts are
// multiples of `strip`, their fill dead.
struct TileKernels {
  int64_t strip;
  void (*multiply)(const TileProduct& product);
  float (*row_max)(const float* s, int64_t count);
  // sum of exp((s - p) * scale - peak)
  float (*row_exp_sum)(const float* s, int64_t count, float p, float scale, float peak);
  // s = v exp((s - p) * scale - l)
  void (*row_gradient)(float* s, int64_t count, float p, float scale, float l, float v);
  // s = that + v'_c exp((s - p'_c) * scale - l'_c), column by column
  void (*row_gradient_both)(float* s, int64_t count, float p, float scale, float l, float v,
                            const float* column_p, const float* column_l, const float* column_v);
  // peaks_c = max(0, max_r (s_rc - p'_c) * scale), sums_c = sum_r exp((s_rc - p'_c) * scale -
  // peaks_c) over `rows` rows `stride` apart
  void (*column_exp_sums)(const float* s, int64_t rows, int64_t stride, int64_t count,
                          const float* column_p, float scale, float* peaks, float* sums);
};

const TileKernels& tile_kernels_avx512();
const TileKernels& tile_kernels_avx2();
const TileKernels& tile_kernels_baseline();
// Those of cpu_level().
const TileKernels& tile_kernels();

}  // namespace simgpt
