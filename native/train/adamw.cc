#include "train/adamw.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "cpu/cpu.h"
#include "cpu/workers.h"

namespace simgpt {
namespace {

// Numbers that one thread takes at a time: four streams of it fit the second-level cache.
constexpr int64_t kBlock = 32 * 1024;

struct Block {
  size_t tensor;
  int64_t first, count;
};

std::vector<Block> plan_blocks(const std::vector<AdamW::Moments>& all) {
  std::vector<Block> blocks;
  for (size_t i = 0; i < all.size(); ++i) {
    const int64_t total = all[i].value.numel();
    for (int64_t first = 0; first < total; first += kBlock) {
      blocks.push_back({i, first, std::min(kBlock, total - first)});
    }
  }
  return blocks;
}

template <typename Work>
void for_each_block(const std::vector<Block>& blocks, const Work& work) {
  std::atomic<size_t> next{0};
  const auto workers = std::min<int64_t>(thread_count(), std::ssize(blocks));
  run_workers(static_cast<int>(std::max<int64_t>(workers, 1)), [&](int) {
    for (size_t i = next++; i < blocks.size(); i = next++) work(i);
  });
}

// Eight sums side by side: the same order whatever the compiler makes of it.
template <typename T>
double square_sum(const T* values, int64_t count) {
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    for (int64_t lane = 0; lane < 8; ++lane) {
      const auto value = static_cast<double>(values[i + lane]);
      sums[lane] += value * value;
    }
  }
  for (; i < count; ++i) sums[0] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

// What is the same for every element of a step.
template <typename T>
struct Factors {
  T gradient, keep, beta1, rest1, beta2, rest2, rate, root, epsilon;
};

template <typename T>
void update(T* value, T* grad, T* first, T* second, int64_t count, const Factors<T>& f) {
  for (int64_t i = 0; i < count; ++i) {
    const T g = grad[i] * f.gradient;
    const T m = f.beta1 * first[i] + f.rest1 * g;
    const T v = f.beta2 * second[i] + f.rest2 * g * g;
    first[i] = m;
    second[i] = v;
    value[i] = value[i] * f.keep - f.rate * m / (std::sqrt(v) * f.root + f.epsilon);
    grad[i] = 0;
  }
}

template <typename T>
void update_block(AdamW::Moments& tensor, const Block& block, double learning_rate, double clip,
                  const AdamWOptions& options, int64_t steps) {
  const double correction1 = 1 - std::pow(options.beta1, static_cast<double>(steps));
  const double correction2 = 1 - std::pow(options.beta2, static_cast<double>(steps));
  const double decay = tensor.decays ? options.weight_decay : 0;
  const Factors<T> factors{static_cast<T>(clip),
                           static_cast<T>(1 - learning_rate * decay),
                           static_cast<T>(options.beta1),
                           static_cast<T>(1 - options.beta1),
                           static_cast<T>(options.beta2),
                           static_cast<T>(1 - options.beta2),
                           static_cast<T>(learning_rate / correction1),
                           static_cast<T>(1 / std::sqrt(correction2)),
                           static_cast<T>(options.epsilon)};
  const auto at = [&](at::Tensor& values) { return values.data_ptr<T>() + block.first; };
  update<T>(at(tensor.value), at(tensor.grad), at(tensor.first), at(tensor.second), block.count,
            factors);
}

bool is_wide(const AdamW::Moments& tensor) { return tensor.value.scalar_type() == at::kDouble; }

}  // namespace

AdamW::AdamW(const std::vector<Parameter>& parameters, const AdamWOptions& options, AdamWForm form)
    : options_(options), form_(form) {
  for (const Parameter& parameter : parameters) {
    if (!parameter.trainable) continue;
    moments_.push_back({parameter.name, parameter.value, parameter.grad,
                        at::zeros(parameter.value.sizes(), parameter.value.options()),
                        at::zeros(parameter.value.sizes(), parameter.value.options()),
                        parameter.decays});
  }
}

StepResult AdamW::step(double learning_rate, std::optional<double> max_norm) {
  if (form_ == AdamWForm::kOperators) return step_operators(learning_rate, max_norm);
  const std::vector<Block> blocks = plan_blocks(moments_);
  std::vector<double> squares(blocks.size());
  for_each_block(blocks, [&](size_t i) {
    const Block& block = blocks[i];
    const at::Tensor& grad = moments_[block.tensor].grad;
    squares[i] = is_wide(moments_[block.tensor])
                     ? square_sum(grad.const_data_ptr<double>() + block.first, block.count)
                     : square_sum(grad.const_data_ptr<float>() + block.first, block.count);
  });
  StepResult result;
  double total = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    total += squares[i];
    if (!std::isfinite(squares[i])) {
      result.not_finite = moments_[blocks[i].tensor].name;
      break;
    }
  }
  result.gradient_norm = std::sqrt(total);
  // Finite squares whose sum is not: the norm would clip everything to zero.
  if (!result.not_finite && !std::isfinite(total)) result.not_finite = moments_.front().name;
  if (result.not_finite) return result;

  ++steps_;
  // As torch.nn.utils.clip_grad_norm_.
  const double clip = max_norm ? std::min(1.0, *max_norm / (result.gradient_norm + 1e-6)) : 1.0;
  for_each_block(blocks, [&](size_t i) {
    Moments& tensor = moments_[blocks[i].tensor];
    const auto work = is_wide(tensor) ? update_block<double> : update_block<float>;
    work(tensor, blocks[i], learning_rate, clip, options_, steps_);
  });
  return result;
}

int64_t AdamW::memory_bytes() const {
  size_t bytes = 0;
  for (const Moments& tensor : moments_) bytes += tensor.first.nbytes() + tensor.second.nbytes();
  return static_cast<int64_t>(bytes);
}

}  // namespace simgpt
