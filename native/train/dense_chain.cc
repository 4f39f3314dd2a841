#include "train/dense_chain.h"

#include <ATen/ATen.h>

#include "encoder/head.h"
#include "error.h"

namespace simgpt {
namespace {

// sum: before the activation
at::Tensor activation_backward(const at::Tensor& gradient, const at::Tensor& sum,
                               DenseActivation activation) {
  switch (activation) {
    case DenseActivation::kIdentity:
      return gradient;
    case DenseActivation::kTanh:
      return gradient * (1 - at::tanh(sum).square());
    case DenseActivation::kRelu:
      return gradient * (sum > 0);
    case DenseActivation::kGelu:
      return at::gelu_backward(gradient, sum);
  }
  throw Error("unsupported", "unknown activation of a dense module");
}

}  // namespace

at::Tensor linear_backward(const LinearParameters& linear, const at::Tensor& x,
                           const at::Tensor& gradient) {
  at::Tensor weight_grad = linear.weight_grad, bias_grad = linear.bias_grad;
  if (weight_grad.defined()) weight_grad.addmm_(gradient.t(), x);
  if (bias_grad.defined()) bias_grad.add_(gradient.sum(0));
  return at::mm(gradient, linear.weight);
}

at::Tensor DenseChain::forward(const at::Tensor& x) {
  inputs_.clear();
  sums_.clear();
  at::Tensor value = x;
  for (const DenseStep& step : steps_) {
    inputs_.push_back(value);
    sums_.push_back(at::linear(value, step.linear->weight, step.linear->bias));
    value = activate(sums_.back(), step.activation);
  }
  return value;
}

at::Tensor DenseChain::backward(const at::Tensor& gradient) {
  at::Tensor value = gradient;
  for (size_t i = steps_.size(); i-- > 0;) {
    value = activation_backward(value, sums_[i], steps_[i].activation);
    value = linear_backward(*steps_[i].linear, inputs_[i], value);
  }
  return value;
}

}  // namespace simgpt
