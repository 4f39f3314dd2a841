#include "train/weight_gradients.h"

#include <algorithm>

namespace simgpt {
namespace {

// A task's part of a weight: enough rows for the products' tiles, few enough that threads share
// the work of the smallest layer.
constexpr int64_t kTaskRows = 64;

template <typename T>
struct Product {
  const LinearParameters& linear;
  const T* d_output;  // [rows, out]
  const T* input;     // [rows, in]
};

template <typename T>
void add_weight_tasks(const Product<T>& product, int64_t rows,
                      std::vector<std::function<void()>>& tasks) {
  const at::Tensor& gradient = product.linear.weight_grad;
  if (!gradient.defined()) return;
  const int64_t out = gradient.size(0), in = gradient.size(1);
  for (int64_t first = 0; first < out; first += kTaskRows) {
    const int64_t count = std::min(kTaskRows, out - first);
    T* target = mutable_numbers<T>(gradient) + first * in;
    tasks.emplace_back([=] {
      add_transposed_product<T>(count, in, rows, {product.d_output + first, out},
                                {product.input, in}, {target, in});
    });
  }
}

// W' = W + f B A gives dA = f B^T dW', dB = f dW' A^T with dW' = dY^T X, without making dW'.
template <typename T>
void add_lora_tasks(const Product<T>& product, int64_t rows, double factor,
                    std::vector<std::function<void()>>& tasks) {
  const int64_t out = product.linear.weight.size(0), in = product.linear.weight.size(1);
  for (const LoraAdapter& adapter : product.linear.lora) {
    const at::Tensor d_output =
        as_tensor(const_cast<T*>(product.d_output), rows, out)
            .slice(1, adapter.first_row, adapter.first_row + adapter.b.size(0));
    const at::Tensor input = as_tensor(const_cast<T*>(product.input), rows, in);
    tasks.emplace_back([=] {
      at::Tensor a_grad = adapter.a_grad, b_grad = adapter.b_grad;
      a_grad.addmm_(at::mm(d_output, adapter.b).t(), input, 1, factor);
      b_grad.addmm_(d_output.t(), at::mm(input, adapter.a.t()), 1, factor);
    });
  }
}

template <typename T>
void add_group_sums(const at::Tensor& sums, int64_t place, const at::Tensor& gradient) {
  if (!gradient.defined()) return;
  T* target = mutable_numbers<T>(gradient);
  for (int64_t group = 0; group < sums.size(0); ++group) {
    const T* source = numbers<T>(sums) + group * sums.size(1) + place;
    for (int64_t i = 0; i < gradient.numel(); ++i) target[i] += source[i];
  }
}

// A layer's keys and values are columns of the prompt's table.
template <typename T>
void add_prompt_sums(const at::Tensor& sums, int64_t place, int64_t layer, int64_t hidden,
                     at::Tensor& gradient) {
  const int64_t k = gradient.size(0);
  for (int64_t group = 0; group < sums.size(0); ++group) {
    const T* source = numbers<T>(sums) + group * sums.size(1) + place;
    for (int64_t part = 0; part < 2; ++part) {
      for (int64_t row = 0; row < k; ++row) {
        T* target =
            mutable_numbers<T>(gradient) + row * gradient.size(1) + (2 * layer + part) * hidden;
        const T* from = source + (part * k + row) * hidden;
        for (int64_t c = 0; c < hidden; ++c) target[c] += from[c];
      }
    }
  }
}

}  // namespace

SumPlaces::SumPlaces(const TrainSpec& spec) {
  const int64_t hidden = spec.encoder.config.hidden_size;
  width = 0;
  const auto take = [&](int64_t count) {
    const int64_t place = width;
    width += round_to_vector(count);
    return place;
  };
  attention_weight = take(hidden);
  attention_bias = take(hidden);
  attention_output_bias = take(hidden);
  output_weight = take(hidden);
  output_norm_bias = take(hidden);
  output_bias = take(hidden);
  qkv_bias = take(3 * hidden);
  inner_bias = take(spec.encoder.config.intermediate_size);
  prompt = take(2 * spec.prompt_length * hidden);
}

template <typename T>
std::vector<std::function<void()>> weight_tasks(const TrainSpec& spec, const LayerParameters& layer,
                                                int64_t index, const PassBuffers<T>& buffers,
                                                int64_t rows, const ProductGradients<T>& gradients,
                                                const at::Tensor& sums,
                                                at::Tensor& prompt_gradient) {
  const LayerBuffers<T>& kept = buffers.layers[static_cast<size_t>(index)];
  std::vector<std::function<void()>> tasks;
  const double factor = spec.lora_alpha / static_cast<double>(spec.lora_rank);
  for (const Product<T>& product :
       {Product<T>{layer.output, gradients.output, kept.activated},
        Product<T>{layer.intermediate, gradients.inner, kept.attended},
        Product<T>{layer.qkv, gradients.qkv, buffers.hidden[static_cast<size_t>(index)]},
        Product<T>{layer.attention_output, gradients.attention_output, kept.mixed}}) {
    add_weight_tasks(product, rows, tasks);
    add_lora_tasks(product, rows, factor, tasks);
  }
  tasks.emplace_back([=, &spec, &layer, &prompt_gradient] {
    const SumPlaces places(spec);
    const auto add = [&](int64_t place, const at::Tensor& gradient) {
      add_group_sums<T>(sums, place, gradient);
    };
    add(places.attention_weight, layer.attention_norm.weight_grad);
    add(places.attention_bias, layer.attention_norm.bias_grad);
    add(places.attention_output_bias, layer.attention_output.bias_grad);
    add(places.output_weight, layer.output_norm.weight_grad);
    add(places.output_norm_bias, layer.output_norm.bias_grad);
    add(places.output_bias, layer.output.bias_grad);
    add(places.qkv_bias, layer.qkv.bias_grad);
    add(places.inner_bias, layer.intermediate.bias_grad);
    if (prompt_gradient.defined()) {
      add_prompt_sums<T>(sums, places.prompt, index, spec.encoder.config.hidden_size,
                         prompt_gradient);
    }
  });
  return tasks;
}

template std::vector<std::function<void()>> weight_tasks(const TrainSpec&, const LayerParameters&,
                                                         int64_t, const PassBuffers<float>&,
                                                         int64_t, const ProductGradients<float>&,
                                                         const at::Tensor&, at::Tensor&);
template std::vector<std::function<void()>> weight_tasks(const TrainSpec&, const LayerParameters&,
                                                         int64_t, const PassBuffers<double>&,
                                                         int64_t, const ProductGradients<double>&,
                                                         const at::Tensor&, at::Tensor&);

}  // namespace simgpt
