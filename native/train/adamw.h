// AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2019), one pass over all tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "train/trainable.h"

namespace simgpt {

struct AdamWOptions {
  double weight_decay = 0;  // of parameters that decay: no bias, no LayerNorm (METHODS 1.6)
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

struct StepResult {
  double gradient_norm = 0;               // global, before clipping
  std::optional<std::string> not_finite;  // a parameter whose gradient holds NaN or infinity
};

// kKernels: our loops, tensors on the CPU. kOperators: LibTorch's fused operator, on any device;
// the norm is then a float32 sum per tensor, and the host waits for it once a step.
enum class AdamWForm { kKernels, kOperators };

class AdamW {
 public:
  // Moments of one trainable parameter, of its shape and dtype.
  struct Moments {
    std::string name;
    at::Tensor value, grad, first, second;
    bool decays;
  };

  // Moments of 0 for what is trainable in `parameters`.
  AdamW(const std::vector<Parameter>& parameters, const AdamWOptions& options,
        AdamWForm form = AdamWForm::kKernels);

  // One update with gradients scaled to a global norm of at most max_norm (absent: unclipped), then
  // gradients of 0. Where a gradient is not finite nothing changes. With kKernels the norm is a
  // float64 sum in a fixed order, and elements are updated alone: the same bits at any number of
  // threads.
  StepResult step(double learning_rate, std::optional<double> max_norm);

  std::vector<Moments>& moments() { return moments_; }
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  const AdamWOptions& options() const { return options_; }
  void set_options(const AdamWOptions& options) { options_ = options; }
  int64_t memory_bytes() const;

 private:
  StepResult step_operators(double learning_rate, std::optional<double> max_norm);

  AdamWOptions options_;
  AdamWForm form_;
  std::vector<Moments> moments_;
  int64_t steps_ = 0;
};

}  // namespace simgpt
