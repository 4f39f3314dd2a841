#include "linear.h"

#include <ATen/ATen.h>

#include "cpu/cpu.h"

namespace simgpt {
namespace {

// oneDNN may lay weights out by the rows it expects; the layout it picks for a full chunk runs
// within 15 % of its best down to 16 rows.
constexpr int64_t kTypicalRows = 1024;

}  // namespace

LinearKernel cpu_linear_kernel(at::ScalarType dtype) {
  const bool wide = cpu_level() == CpuLevel::kAvx512;
  return wide || dtype == at::kBFloat16 ? LinearKernel::kOneDnn : LinearKernel::kPlain;
}

Linear::Linear(const LinearWeights& weights, LinearKernel kernel, at::ScalarType dtype,
               at::Device device)
    : kernel_(kernel),
      weight_(weights.weight.to(device, dtype).contiguous()),
      bias_(weights.bias.defined() ? weights.bias.to(device, dtype).contiguous() : at::Tensor()) {
  bytes_ = static_cast<int64_t>(weight_.nbytes() + (bias_.defined() ? bias_.nbytes() : 0));
  if (kernel_ == LinearKernel::kOneDnn) {
    weight_ = compat::onednn_pack_linear_weight(weight_, kTypicalRows);
  }
}

at::Tensor Linear::forward(const at::Tensor& x, compat::Epilogue epilogue) const {
  if (kernel_ == LinearKernel::kOneDnn) return compat::onednn_linear(x, weight_, bias_, epilogue);
  at::Tensor y = at::linear(x, weight_, bias_);
  if (epilogue == compat::Epilogue::kNone) return y;
  return at::gelu_(y, epilogue == compat::Epilogue::kGeluTanh ? "tanh" : "none");
}

at::Tensor Linear::forward_add(const at::Tensor& x, const at::Tensor& residual) const {
  if (kernel_ == LinearKernel::kOneDnn) {
    return compat::onednn_linear_add(x, residual, weight_, bias_);
  }
  return at::linear(x, weight_, bias_).add_(residual);
}

}  // namespace simgpt
