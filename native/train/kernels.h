// The inner loops of training that are no matrix product of the whole batch: dropout, residual and
// LayerNorm, and attention within a sequence. Compiled once per instruction set; every set gives
// the same masks bit for bit. One thread; float32 or float64; rows are contiguous.
#pragma once

#include <cstdint>

#include "train/draws.h"

namespace simgpt {

// out = LayerNorm(residual + dropout(x)), rows of one sequence.
template <typename T>
struct AddNormRows {
  int64_t rows = 0, hidden = 0;
  const T* x = nullptr;         // [rows, hidden]
  const T* residual = nullptr;  // [rows, hidden], or null
  const T* weight = nullptr;    // [hidden]
  const T* bias = nullptr;      // [hidden]
  double eps = 0;
  Dropout dropout;
  T* normalized = nullptr;    // [rows, hidden] before weight and bias: kept for the way back
  T* inverse = nullptr;       // [rows] 1 / standard deviation: kept for the way back
  T* out = nullptr;           // [rows, hidden]; may be x
  uint32_t* words = nullptr;  // scratch [hidden]
};

// The way back. The sums are added to.
template <typename T>
struct AddNormGradient {
  int64_t rows = 0, hidden = 0;
  const T* d_out = nullptr;       // [rows, hidden]
  const T* normalized = nullptr;  // [rows, hidden]
  const T* inverse = nullptr;     // [rows]
  const T* weight = nullptr;      // [hidden]
  Dropout dropout;
  T* d_residual = nullptr;    // [rows, hidden]; may be d_out
  T* d_x = nullptr;           // [rows, hidden]; null where there is no x but the residual
  T* weight_sum = nullptr;    // [hidden] gradient of weight
  T* bias_sum = nullptr;      // [hidden] gradient of bias
  T* x_sum = nullptr;         // [hidden] sum of d_x over rows: of the linear layer's bias; with d_x
  uint32_t* words = nullptr;  // scratch [hidden]
};

// softmax(Q K^T / sqrt(size)) with dropout, times V, for every head of one sequence. Keys and
// values are `prefix` rows of a deep prompt, then the sequence's own.
template <typename T>
struct AttentionRows {
  int64_t length = 0, heads = 0, size = 0, prefix = 0;
  const T* qkv = nullptr;          // [length, 3 * heads * size]: query, key, value side by side
  const T* prefix_keys = nullptr;  // [prefix, heads * size], dropout applied
  const T* prefix_values = nullptr;
  Dropout dropout;
  T* probabilities = nullptr;  // [attention_kept(...)] before dropout: kept for the way back
  T* out = nullptr;            // [length, heads * size]
  T* scratch = nullptr;        // [attention_scratch(...)]
  uint32_t* words = nullptr;   // scratch [length * (prefix + length)]
  // The way back alone:
  const T* d_out = nullptr;    // [length, heads * size]
  T* d_qkv = nullptr;          // [length, 3 * heads * size]
  T* d_prefix_keys = nullptr;  // [prefix, heads * size]
  T* d_prefix_values = nullptr;
};

template <typename T>
struct TrainKernels {
  // out[i] = x[i] * scale, or 0 where word first + i of the stream says so; out may be x.
  void (*drop)(const Dropout& dropout, uint64_t first, int64_t count, const T* x, T* out,
               uint32_t* words);
  void (*add_norm)(const AddNormRows<T>& rows);
  void (*add_norm_backward)(const AddNormGradient<T>& rows);
  void (*attention)(const AttentionRows<T>& rows);
  void (*attention_backward)(const AttentionRows<T>& rows);
  // sums[c] += sum over rows of x[., c]
  void (*add_columns)(const T* x, int64_t rows, int64_t columns, T* sums);
  // out[i] = draw_word(stream, first + i)
  void (*words)(const DrawStream& stream, uint64_t first, int64_t count, uint32_t* out);
};

// By the CPU level (SIMGPT_CPU_LEVEL); T float or double.
template <typename T>
const TrainKernels<T>& train_kernels();

// Widths are rounded up to this many numbers, so that every row holds whole vectors.
constexpr int64_t kVectorNumbers = 16;
static inline int64_t round_to_vector(int64_t n) {
  return (n + kVectorNumbers - 1) / kVectorNumbers * kVectorNumbers;
}
// Numbers that AttentionRows::probabilities holds.
static inline int64_t attention_kept(int64_t length, int64_t prefix, int64_t heads) {
  return heads * length * round_to_vector(prefix + length);
}
// Numbers that AttentionRows::scratch holds.
static inline int64_t attention_scratch(int64_t length, int64_t prefix, int64_t size) {
  const int64_t keys = round_to_vector(prefix + length);
  const int64_t width = round_to_vector(size);
  return 2 * length * keys + 8 * keys * width + kVectorNumbers;
}

}  // namespace simgpt
