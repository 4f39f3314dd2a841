// AdamW in LibTorch's operators: few calls for all tensors of a device.
#include <ATen/ATen.h>

#include <cmath>
#include <map>

#include "train/adamw.h"

namespace simgpt {
namespace {

// Tensors that one call may take: of one device and dtype, with one weight decay.
struct Group {
  std::vector<at::Tensor> values, grads, firsts, seconds;
};
using GroupKey = std::tuple<c10::DeviceType, at::ScalarType, bool>;

std::map<GroupKey, Group> group_by_call(const std::vector<AdamW::Moments>& all) {
  std::map<GroupKey, Group> groups;
  for (const AdamW::Moments& tensor : all) {
    const at::Tensor& value = tensor.value;
    Group& group = groups[{value.device().type(), value.scalar_type(), tensor.decays}];
    group.values.push_back(value);
    group.grads.push_back(tensor.grad);
    group.firsts.push_back(tensor.first);
    group.seconds.push_back(tensor.second);
  }
  return groups;
}

// The norm of each gradient, in their order: one wait for each device.
std::vector<double> gradient_norms(const std::vector<AdamW::Moments>& all) {
  std::map<c10::DeviceType, std::vector<size_t>> places;
  for (size_t i = 0; i < all.size(); ++i) places[all[i].grad.device().type()].push_back(i);
  std::vector<double> norms(all.size());
  for (const auto& [type, at_places] : places) {
    std::vector<at::Tensor> each;
    for (const size_t i : at_places) {
      each.push_back(at::linalg_vector_norm(all[i].grad).to(at::kDouble));
    }
    const at::Tensor found = at::stack(each).cpu();
    for (size_t i = 0; i < at_places.size(); ++i) {
      norms[at_places[i]] = found.const_data_ptr<double>()[i];
    }
  }
  return norms;
}

}  // namespace

StepResult AdamW::step_operators(double learning_rate, std::optional<double> max_norm) {
  const std::vector<double> norms = gradient_norms(moments_);
  StepResult result;
  double total = 0;
  for (size_t i = 0; i < norms.size(); ++i) {
    total += norms[i] * norms[i];
    if (!std::isfinite(norms[i])) {
      result.not_finite = moments_[i].name;
      break;
    }
  }
  result.gradient_norm = std::sqrt(total);
  if (result.not_finite) return result;

  ++steps_;
  // As torch.nn.utils.clip_grad_norm_.
  const double clip = max_norm ? std::min(1.0, *max_norm / (result.gradient_norm + 1e-6)) : 1.0;
  for (auto& [key, group] : group_by_call(moments_)) {
    if (clip < 1) at::_foreach_mul_(group.grads, clip);
    const at::TensorOptions counter = group.values.front().options().dtype(at::kFloat);
    const at::Tensor count = at::full({}, static_cast<double>(steps_), counter);
    const std::vector<at::Tensor> counts(group.values.size(), count);
    at::_fused_adamw_(group.values, group.grads, group.firsts, group.seconds,
                      /*max_exp_avg_sqs=*/{}, counts, learning_rate, options_.beta1, options_.beta2,
                      std::get<bool>(key) ? options_.weight_decay : 0, options_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false);
    at::_foreach_zero_(group.grads);
  }
  return result;
}

}  // namespace simgpt
