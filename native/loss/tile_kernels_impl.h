// Included by one source per instruction set, compiled with its flags. Everything has internal
// linkage and no header of the standard library is used: a function shared with other sources could
// otherwise reach processors without these instructions.
//   SIMGPT_TILE_WIDTH   floats in a register
//   SIMGPT_TILE_ROWS    rows of a block whose sums stay in registers beside two columns of
//   registers
#pragma once

#include "loss/tile_kernels.h"

namespace simgpt {
namespace {

constexpr int64_t kWidth = SIMGPT_TILE_WIDTH;
constexpr int kBlockRows = SIMGPT_TILE_ROWS;
constexpr int64_t kStrip = 2 * kWidth;
constexpr float kInfinity = __builtin_inff();

typedef float Vec __attribute__((vector_size(SIMGPT_TILE_WIDTH * 4)));
typedef float UnalignedVec __attribute__((vector_size(SIMGPT_TILE_WIDTH * 4), aligned(4)));
typedef int32_t IntVec __attribute__((vector_size(SIMGPT_TILE_WIDTH * 4)));

inline Vec load(const float* from) { return *reinterpret_cast<const UnalignedVec*>(from); }
inline void store(float* to, Vec value) { *reinterpret_cast<UnalignedVec*>(to) = value; }
inline Vec splat(float value) { return value - Vec{}; }
inline Vec larger(Vec a, Vec b) { return a > b ? a : b; }

inline float sum_of(Vec value) {
  float sum = 0;
  for (int64_t i = 0; i < kWidth; ++i) sum += value[i];
  return sum;
}

inline float max_of(Vec value) {
  float most = value[0];
  for (int64_t i = 1; i < kWidth; ++i) most = value[i] > most ? value[i] : most;
  return most;
}

// e^x for x <= 88, within 2 units in the last place; exactly 0 below -87, where float32 would be
// subnormal. 2^n e^r with |r| <= ln(2) / 2, e^r by its Taylor polynomial of degree 7.
inline Vec exponential(Vec x) {
  constexpr float kLog2e = 1.44269504088896341F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kToInteger = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const Vec tiny = splat(-87.0F);
  const Vec clamped = larger(x, tiny);
  const Vec shifted = clamped * kLog2e + kToInteger;
  const Vec n = shifted - kToInteger;
  const Vec r = clamped - n * kLn2High - n * kLn2Low;
  Vec poly = r * (1.0F / 5040) + (1.0F / 720);
  poly = poly * r + (1.0F / 120);
  poly = poly * r + (1.0F / 24);
  poly = poly * r + (1.0F / 6);
  poly = poly * r + 0.5F;
  poly = poly * r * r + r + 1.0F;
  // The integer sits in the low bits of `shifted`; its magic bits leave with the shift.
  const IntVec power = (reinterpret_cast<IntVec>(shifted) << 23) + (127 << 23);
  const Vec value = poly * reinterpret_cast<Vec>(power);
  return x < tiny ? Vec{} : value;
}

// One block: kRows rows, one strip. Row pointers in threes: base, base + row, base + 2 row are
// addresses the processor forms by itself.
template <int kRows>
void multiply_block(const TileProduct& product, const float* left, const float* right, float* out,
                    int64_t out_stride, bool add) {
  constexpr int kGroups = (kRows + 2) / 3;
  const int64_t row = product.left_row;
  const int64_t step = product.left_step;
  Vec sum[kRows][2];
  const float* bases[kGroups];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = Vec{};
#pragma GCC unroll 16
  for (int g = 0; g < kGroups; ++g) bases[g] = left + 3 * g * row;
  for (int64_t k = 0; k < product.depth; ++k) {
    const Vec first = load(right);
    const Vec second = load(right + kWidth);
    right += kStrip;
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const float value = bases[r / 3][(r % 3) * row];
      sum[r][0] += value * first;
      sum[r][1] += value * second;
    }
#pragma GCC unroll 16
    for (int g = 0; g < kGroups; ++g) bases[g] += step;
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    float* to = out + r * out_stride;
    store(to, add ? sum[r][0] + load(to) : sum[r][0]);
    store(to + kWidth, add ? sum[r][1] + load(to + kWidth) : sum[r][1]);
  }
}

template <int kRows>
void multiply_rows(int rows, const TileProduct& product, const float* left, const float* right,
                   float* out, int64_t out_stride, bool add) {
  if constexpr (kRows > 0) {
    if (rows == kRows) {
      multiply_block<kRows>(product, left, right, out, out_stride, add);
    } else {
      multiply_rows<kRows - 1>(rows, product, left, right, out, out_stride, add);
    }
  }
}

void multiply(const TileProduct& product) {
  float edge[kBlockRows * kStrip];
  for (int64_t first = 0; first < product.rows; first += kBlockRows) {
    const int64_t rest = product.rows - first;
    const int rows = rest < kBlockRows ? static_cast<int>(rest) : kBlockRows;
    const float* left = product.left + first * product.left_row;
    float* out = product.out + first * product.out_stride;
    for (int64_t column = 0; column < product.columns; column += kStrip) {
      const float* right = product.right + column * product.depth;
      const int64_t columns = product.columns - column;
      if (columns >= kStrip) {
        multiply_rows<kBlockRows>(rows, product, left, right, out + column, product.out_stride,
                                  product.add);
        continue;
      }
      multiply_rows<kBlockRows>(rows, product, left, right, edge, kStrip, false);
      for (int64_t r = 0; r < rows; ++r) {
        float* to = out + r * product.out_stride + column;
        for (int64_t c = 0; c < columns; ++c) {
          to[c] = product.add ? to[c] + edge[r * kStrip + c] : edge[r * kStrip + c];
        }
      }
    }
  }
}

float row_max(const float* s, int64_t count) {
  Vec most = splat(-kInfinity);
  for (int64_t c = 0; c < count; c += kWidth) most = larger(load(s + c), most);
  return max_of(most);
}

float row_exp_sum(const float* s, int64_t count, float p, float scale, float peak) {
  Vec sum{};
  for (int64_t c = 0; c < count; c += kWidth) {
    sum += exponential((load(s + c) - p) * scale - peak);
  }
  return sum_of(sum);
}

void row_gradient(float* s, int64_t count, float p, float scale, float l, float v) {
  for (int64_t c = 0; c < count; c += kWidth) {
    store(s + c, v * exponential((load(s + c) - p) * scale - l));
  }
}

void row_gradient_both(float* s, int64_t count, float p, float scale, float l, float v,
                       const float* column_p, const float* column_l, const float* column_v) {
  for (int64_t c = 0; c < count; c += kWidth) {
    const Vec value = load(s + c);
    const Vec across = exponential((value - p) * scale - l);
    const Vec down = exponential((value - load(column_p + c)) * scale - load(column_l + c));
    store(s + c, v * across + load(column_v + c) * down);
  }
}

void column_exp_sums(const float* s, int64_t rows, int64_t stride, int64_t count,
                     const float* column_p, float scale, float* peaks, float* sums) {
  for (int64_t c = 0; c < count; c += kWidth) {
    const Vec p = load(column_p + c);
    Vec most = splat(-kInfinity);
    for (int64_t r = 0; r < rows; ++r) most = larger(load(s + r * stride + c), most);
    const Vec peak = larger((most - p) * scale, Vec{});
    Vec sum{};
    for (int64_t r = 0; r < rows; ++r) {
      sum += exponential((load(s + r * stride + c) - p) * scale - peak);
    }
    store(peaks + c, peak);
    store(sums + c, sum);
  }
}

constexpr TileKernels kKernels = {kStrip,       multiply,          row_max,        row_exp_sum,
                                  row_gradient, row_gradient_both, column_exp_sums};

}  // namespace
}  // namespace simgpt
