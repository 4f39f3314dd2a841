// The gradients of one layer's parameters, once every group has gone back through it: as tasks that
// each write their own part, summed over all rows in a fixed order.
#pragma once

#include <functional>
#include <vector>

#include "train/group_pass.h"

namespace simgpt {

// Gradients of what a layer's products gave, all rows of the pass.
template <typename T>
struct ProductGradients {
  T* qkv;               // [rows, 3 hidden]
  T* attention_output;  // [rows, hidden]
  T* inner;             // [rows, intermediate]
  T* output;            // [rows, hidden]
};

// Where a group's sums over its rows stand in its row of ProductSums.
struct SumPlaces {
  int64_t attention_weight, attention_bias, attention_output_bias;  // hidden each
  int64_t output_weight, output_norm_bias, output_bias;             // hidden each
  int64_t qkv_bias;                                                 // 3 hidden
  int64_t inner_bias;                                               // intermediate
  int64_t prompt;                                                   // keys, values: 2 k hidden
  int64_t width;

  explicit SumPlaces(const TrainSpec& spec);
};

// sums: [groups, SumPlaces::width], added in the groups' order
template <typename T>
std::vector<std::function<void()>> weight_tasks(const TrainSpec& spec, const LayerParameters& layer,
                                                int64_t index, const PassBuffers<T>& buffers,
                                                int64_t rows, const ProductGradients<T>& gradients,
                                                const at::Tensor& sums,
                                                at::Tensor& prompt_gradient);

}  // namespace simgpt
