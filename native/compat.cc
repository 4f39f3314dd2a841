#include "compat.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/AutogradState.h>

#include <string>

#include "error.h"

namespace simgpt::compat {
namespace {

// While one lives, the calling thread's backward passes use no other thread.
class OneThread {
 public:
  OneThread() : before_(c10::AutogradState::get_tls_state().get_multithreading_enabled()) {
    c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
  }
  ~OneThread() { c10::AutogradState::get_tls_state().set_multithreading_enabled(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  bool before_;
};

c10::OperatorHandle find_operator(const char* name, const char* overload, size_t arity) {
  auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!handle) {
    throw Error("unsupported", std::string("this LibTorch has no operator ") + name);
  }
  const size_t found = handle->schema().arguments().size();
  if (found != arity) {
    throw Error("unsupported", std::string("expected operator ") + name + " with " +
                                   std::to_string(arity) + " arguments, this LibTorch's has " +
                                   std::to_string(found));
  }
  return *handle;
}

using PointwiseSignature = at::Tensor(const at::Tensor&, const at::Tensor&,
                                      const std::optional<at::Tensor>&, std::string_view,
                                      c10::List<std::optional<at::Scalar>>,
                                      std::optional<std::string_view>);
using BinarySignature = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                   const std::optional<at::Tensor>&, std::string_view);

}  // namespace

at::Tensor onednn_pack_linear_weight(const at::Tensor& weight, int64_t rows_hint) {
  static const auto op = find_operator("mkldnn::_reorder_linear_weight", "", 2);
  c10::Stack stack{weight, c10::IValue(rows_hint)};
  op.callBoxed(stack);
  return stack.at(0).toTensor();
}

at::Tensor onednn_linear(const at::Tensor& x, const at::Tensor& packed_weight,
                         const std::optional<at::Tensor>& bias, Epilogue epilogue) {
  static const auto op =
      find_operator("mkldnn::_linear_pointwise", "", 6).typed<PointwiseSignature>();
  const bool gelu = epilogue != Epilogue::kNone;
  const std::string_view algorithm =
      !gelu ? "" : (epilogue == Epilogue::kGeluTanh ? "tanh" : "none");
  return op.call(x, packed_weight, bias, gelu ? "gelu" : "none",
                 c10::List<std::optional<at::Scalar>>(), algorithm);
}

at::Tensor onednn_linear_add(const at::Tensor& x, const at::Tensor& other,
                             const at::Tensor& packed_weight,
                             const std::optional<at::Tensor>& bias) {
  static const auto op =
      find_operator("mkldnn::_linear_pointwise", "binary", 5).typed<BinarySignature>();
  return op.call(x, other, packed_weight, bias, "add");
}

at::Tensor cuda_varlen_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 const SequenceBounds& queries, const SequenceBounds& keys) {
  if (q.scalar_type() == at::kBFloat16) {
    return std::get<0>(at::_flash_attention_forward(q, k, v, queries.cu_seqlens, keys.cu_seqlens,
                                                    queries.max_seqlen, keys.max_seqlen,
                                                    /*dropout_p=*/0.0, /*is_causal=*/false,
                                                    /*return_debug_mask=*/false));
  }
  // [1, tokens, heads, size]: the form in which this kernel takes packed rows
  const auto out = std::get<0>(at::_efficient_attention_forward(
      q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), /*bias=*/std::nullopt, queries.cu_seqlens,
      keys.cu_seqlens, queries.max_seqlen, keys.max_seqlen, /*dropout_p=*/0.0,
      /*custom_mask_type=*/0));
  return out.squeeze(0);
}

void backward(const at::Tensor& root, const at::Tensor& gradient) {
  const OneThread here;
  root.backward(gradient);
}

}  // namespace simgpt::compat
