// BERT over packed rows: the CPU's and CUDA's fast path. No padding from the embedding table to the
// pooling; query, key and value are one product; the order of operations is the reference's.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "attention.h"
#include "compat.h"
#include "layers.h"
#include "linear.h"

namespace simgpt {
namespace {

struct Norm {
  at::Tensor weight, bias;  // [hidden]

  at::Tensor operator()(const at::Tensor& x, double eps) const {
    return std::get<0>(at::native_layer_norm(x, {x.size(1)}, weight, bias, eps));
  }
};

struct PackedLayer {
  Linear qkv;  // [3 * hidden, hidden]
  Linear attention_output;
  Norm attention_norm;
  Linear intermediate;
  Linear output;
  Norm output_norm;
  PrefixRows prefix;  // of a deep prompt

  int64_t memory_bytes() const {
    return qkv.memory_bytes() + attention_output.memory_bytes() + intermediate.memory_bytes() +
           output.memory_bytes() + static_cast<int64_t>(4 * attention_norm.weight.nbytes());
  }
};

// One chunk's ids, positions and bounds as tensors on the device.
struct DeviceRows {
  at::Tensor token_ids;  // [rows] int32
  at::Tensor positions;  // [rows] int32
  // On CUDA only: where the queries and the keys of the sequences begin.
  compat::SequenceBounds queries, keys;
  // With a deep prompt: of a layer's keys, the prefix's k rows and then the chunk's own, those that
  // each sequence attends to, one sequence behind the other.
  at::Tensor key_rows;
};

at::Tensor int_tensor(const std::vector<int32_t>& values, at::Device device) {
  return at::from_blob(const_cast<int32_t*>(values.data()), {static_cast<int64_t>(values.size())},
                       at::kInt)
      .to(device, at::kInt, /*non_blocking=*/false, /*copy=*/!device.is_cpu());
}

class PackedLayers final : public Layers {
 public:
  PackedLayers(const EncoderSpec& spec, EncoderWeights weights, const CancelToken& cancel)
      : config_(spec.config),
        device_(spec.backend == Backend::kCuda ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU)),
        dtype_(spec.precision == Precision::kBfloat16 ? at::kBFloat16 : at::kFloat),
        kernel_(device_.is_cpu() ? cpu_linear_kernel(dtype_) : LinearKernel::kPlain) {
    word_embeddings_ = place(weights.word_embeddings);
    // Segment row 0 is added to every position, also where no segments are used (PERFORMANCE 6).
    position_embeddings_ = place(weights.position_embeddings + weights.token_type_embeddings[0]);
    embedding_norm_ = place(weights.embedding_norm);
    prompt_length_ = weights.prompt.defined() ? weights.prompt.size(0) : 0;
    const at::Tensor prompt = prompt_length_ > 0 ? place(weights.prompt) : at::Tensor();
    const auto prefixes = prefix_rows(prompt, config_.layer_count, config_.head_count);
    for (auto& layer : weights.layers) {
      cancel.poll();
      layers_.push_back(pack(layer));
      layers_.back().prefix = prefixes[layers_.size() - 1];
      layer = {};  // the plain copy goes as soon as the packed one is there
    }
  }

  HiddenStates forward(const PackedRows& rows, const HiddenRequest& request,
                       const CancelToken& cancel) const override {
    const c10::InferenceMode inference;
    const std::vector<int32_t> positions = row_positions(rows, config_, prompt_length_);
    const DeviceRows on_device = place(rows, positions);
    at::Tensor hidden = embed(on_device);  // [rows, hidden]
    HiddenStates states;
    const size_t last = layers_.size() - 1;
    if (request.before_last && last == 0) states.before_last = hidden;
    if (request.embedding) states.embedding = hidden;
    for (size_t i = 0; i <= last; ++i) {
      hidden = layer(hidden, rows, on_device, layers_[i], cancel);
      if (request.first && i == 0) states.first = hidden;
      if (request.before_last && i + 1 == last) states.before_last = hidden;
    }
    states.last = hidden;
    return states;
  }

  int64_t memory_bytes() const override {
    int64_t bytes = static_cast<int64_t>(word_embeddings_.nbytes() + position_embeddings_.nbytes());
    for (const auto& layer : layers_) bytes += layer.memory_bytes();
    if (prompt_length_ > 0) {
      const auto& [keys, values] = layers_.front().prefix;
      bytes += static_cast<int64_t>(keys.nbytes() + values.nbytes()) * config_.layer_count;
    }
    return bytes;
  }

 private:
  at::Tensor place(const at::Tensor& tensor) const {
    return tensor.to(device_, dtype_).contiguous();
  }
  Norm place(const LayerNormWeights& weights) const {
    return {place(weights.weight), place(weights.bias)};
  }

  Linear linear(const LinearWeights& weights) const {
    return Linear(weights, kernel_, dtype_, device_);
  }

  PackedLayer pack(const LayerWeights& w) const {
    const LinearWeights qkv{at::cat({w.query.weight, w.key.weight, w.value.weight}),
                            at::cat({w.query.bias, w.key.bias, w.value.bias})};
    return {linear(qkv),
            linear(w.attention_output),
            place(w.attention_norm),
            linear(w.intermediate),
            linear(w.output),
            place(w.output_norm),
            {}};
  }

  // On the CPU the tensors look into `rows` and `positions`, which outlive them.
  DeviceRows place(const PackedRows& rows, const std::vector<int32_t>& positions) const {
    DeviceRows placed;
    placed.token_ids = int_tensor(rows.token_ids, device_);
    placed.positions = int_tensor(positions, device_);
    if (device_.is_cuda()) place_bounds(rows, placed);
    return placed;
  }

  void place_bounds(const PackedRows& rows, DeviceRows& placed) const {
    int64_t longest = 0;
    std::vector<int32_t> key_starts = {0}, key_rows;
    const auto k = static_cast<int32_t>(prompt_length_);
    for (int64_t i = 0; i < rows.sequences(); ++i) {
      const int32_t begin = rows.cu_seqlens[i], end = rows.cu_seqlens[i + 1];
      longest = std::max<int64_t>(longest, end - begin);
      key_starts.push_back(key_starts.back() + k + end - begin);
      if (k == 0) continue;
      for (int32_t row = 0; row < k; ++row) key_rows.push_back(row);
      for (int32_t row = begin; row < end; ++row) key_rows.push_back(k + row);
    }
    placed.queries = {int_tensor(rows.cu_seqlens, device_), longest};
    placed.keys = {int_tensor(key_starts, device_), longest + k};
    if (k > 0) placed.key_rows = int_tensor(key_rows, device_);
  }

  at::Tensor embed(const DeviceRows& rows) const {
    at::Tensor sum = at::embedding(word_embeddings_, rows.token_ids);
    sum.add_(at::embedding(position_embeddings_, rows.positions));
    return embedding_norm_(sum, config_.layer_norm_eps);
  }

  at::Tensor attend(const at::Tensor& qkv, const PackedRows& rows, const DeviceRows& on_device,
                    const PrefixRows& prefix) const {
    if (device_.is_cpu()) {
      return packed_attention(qkv, rows.cu_seqlens, config_.head_count, prefix);
    }
    const at::Tensor heads = qkv.view({qkv.size(0), 3, config_.head_count, -1});
    const auto with_prefix = [&](const at::Tensor& before, const at::Tensor& own) {
      if (!before.defined()) return own;
      return at::cat({before.transpose(0, 1), own}).index_select(0, on_device.key_rows);
    };
    return compat::cuda_varlen_attention(
               heads.select(1, 0), with_prefix(prefix.keys, heads.select(1, 1)),
               with_prefix(prefix.values, heads.select(1, 2)), on_device.queries, on_device.keys)
        .reshape({qkv.size(0), config_.hidden_size});
  }

  at::Tensor layer(const at::Tensor& x, const PackedRows& rows, const DeviceRows& on_device,
                   const PackedLayer& w, const CancelToken& cancel) const {
    const double eps = config_.layer_norm_eps;
    cancel.poll();  // here and below: a product of a large model takes tens of milliseconds
    const at::Tensor mixed = attend(w.qkv.forward(x), rows, on_device, w.prefix);
    const at::Tensor attended = w.attention_norm(w.attention_output.forward_add(mixed, x), eps);
    cancel.poll();
    const at::Tensor inner = w.intermediate.forward(
        attended, config_.activation == Activation::kGelu ? compat::Epilogue::kGelu
                                                          : compat::Epilogue::kGeluTanh);
    cancel.poll();
    return w.output_norm(w.output.forward_add(inner, attended), eps);
  }

  EncoderConfig config_;
  at::Device device_;
  at::ScalarType dtype_;
  LinearKernel kernel_;
  int64_t prompt_length_ = 0;
  at::Tensor word_embeddings_;      // [vocab, hidden]
  at::Tensor position_embeddings_;  // [positions, hidden], segment row 0 added
  Norm embedding_norm_;
  std::vector<PackedLayer> layers_;
};

}  // namespace

std::unique_ptr<Layers> make_packed_layers(const EncoderSpec& spec, EncoderWeights weights,
                                           const CancelToken& cancel) {
  return std::make_unique<PackedLayers>(spec, std::move(weights), cancel);
}

}  // namespace simgpt
