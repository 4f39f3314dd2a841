// The oracle: BERT as its paper has it (Devlin et al. 2019; post-LayerNorm, Vaswani et al. 2017),
// padded, one plain operator after another, in float32 or float64. Speed does not matter here.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "attention.h"
#include "layers.h"

namespace simgpt {
namespace {

at::Tensor linear(const at::Tensor& x, const LinearWeights& weights) {
  return at::matmul(x, weights.weight.t()) + weights.bias;
}

at::Tensor layer_norm(const at::Tensor& x, const LayerNormWeights& weights, double eps) {
  const at::Tensor mean = x.mean(-1, /*keepdim=*/true);
  const at::Tensor centred = x - mean;
  const at::Tensor variance = centred.square().mean(-1, /*keepdim=*/true);
  return centred / at::sqrt(variance + eps) * weights.weight + weights.bias;
}

at::Tensor gelu(const at::Tensor& x, Activation activation) {
  if (activation == Activation::kGelu) return 0.5 * x * (1 + at::erf(x / std::sqrt(2.0)));
  return 0.5 * x * (1 + at::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x.pow(3))));
}

class ReferenceLayers final : public Layers {
 public:
  ReferenceLayers(const EncoderSpec& spec, EncoderWeights weights)
      : config_(spec.config), weights_(std::move(weights)) {
    if (spec.precision == Precision::kFloat64) {
      for_each_tensor([](at::Tensor& tensor) { tensor = tensor.to(at::kDouble); });
    }
    prompt_length_ = spec.prompt_length;
    prefixes_ = prefix_rows(weights_.prompt, config_.layer_count, config_.head_count);
  }

  HiddenStates forward(const PackedRows& rows, const HiddenRequest& request,
                       const CancelToken& cancel) const override {
    const Padded padded = pad(rows);
    at::Tensor hidden = embed(padded);  // [sequences, longest, hidden]
    HiddenStates states;
    const int64_t last = config_.layer_count - 1;
    if (request.before_last && last == 0) states.before_last = unpad(hidden, rows);
    if (request.embedding) states.embedding = unpad(hidden, rows);
    for (int64_t i = 0; i <= last; ++i) {
      cancel.poll();
      hidden = layer(hidden, padded.attention_mask, weights_.layers[static_cast<size_t>(i)],
                     prefixes_[static_cast<size_t>(i)]);
      if (request.first && i == 0) states.first = unpad(hidden, rows);
      if (request.before_last && i == last - 1) states.before_last = unpad(hidden, rows);
    }
    states.last = unpad(hidden, rows);
    return states;
  }

  int64_t memory_bytes() const override { return simgpt::memory_bytes(weights_); }

 private:
  struct Padded {
    at::Tensor token_ids;       // [sequences, longest] int64
    at::Tensor positions;       // [sequences, longest] int64
    at::Tensor attention_mask;  // [sequences, longest] of 0 and 1
  };

  template <typename Function>
  void for_each_tensor(Function function) {
    const auto linear = [&](LinearWeights& w) {
      if (w.weight.defined()) function(w.weight);
      if (w.bias.defined()) function(w.bias);
    };
    const auto norm = [&](LayerNormWeights& w) {
      function(w.weight);
      function(w.bias);
    };
    function(weights_.word_embeddings);
    function(weights_.position_embeddings);
    function(weights_.token_type_embeddings);
    norm(weights_.embedding_norm);
    if (weights_.prompt.defined()) function(weights_.prompt);
    for (auto& layer : weights_.layers) {
      for (auto* w : {&layer.query, &layer.key, &layer.value, &layer.attention_output,
                      &layer.intermediate, &layer.output}) {
        linear(*w);
      }
      norm(layer.attention_norm);
      norm(layer.output_norm);
    }
  }

  Padded pad(const PackedRows& rows) const {
    int64_t longest = 0;
    for (int64_t i = 0; i < rows.sequences(); ++i) {
      longest = std::max<int64_t>(longest, rows.cu_seqlens[i + 1] - rows.cu_seqlens[i]);
    }
    Padded padded{at::full({rows.sequences(), longest}, config_.pad_token_id, at::kLong),
                  at::full({rows.sequences(), longest}, config_.position_offset, at::kLong),
                  at::zeros({rows.sequences(), longest}, weights_.word_embeddings.scalar_type())};
    const std::vector<int32_t> row_position = row_positions(rows, config_, prompt_length_);
    auto ids = padded.token_ids.accessor<int64_t, 2>();
    auto positions = padded.positions.accessor<int64_t, 2>();
    for (int64_t i = 0; i < rows.sequences(); ++i) {
      const int32_t begin = rows.cu_seqlens[i];
      const int32_t length = rows.cu_seqlens[i + 1] - begin;
      for (int32_t t = 0; t < length; ++t) {
        ids[i][t] = rows.token_ids[begin + t];
        positions[i][t] = row_position[begin + t];
      }
      padded.attention_mask[i].slice(0, 0, length).fill_(1);
    }
    return padded;
  }

  static at::Tensor unpad(const at::Tensor& hidden, const PackedRows& rows) {
    std::vector<at::Tensor> parts;
    for (int64_t i = 0; i < rows.sequences(); ++i) {
      parts.push_back(hidden[i].slice(0, 0, rows.cu_seqlens[i + 1] - rows.cu_seqlens[i]));
    }
    return at::cat(parts, 0);
  }

  at::Tensor embed(const Padded& padded) const {
    const at::Tensor sum = at::embedding(weights_.word_embeddings, padded.token_ids) +
                           weights_.token_type_embeddings[0] +
                           at::embedding(weights_.position_embeddings, padded.positions);
    return layer_norm(sum, weights_.embedding_norm, config_.layer_norm_eps);
  }

  at::Tensor split_heads(const at::Tensor& x) const {  // [sequences, heads, longest, size]
    return x.view({x.size(0), x.size(1), config_.head_count, -1}).transpose(1, 2);
  }

  at::Tensor layer(const at::Tensor& x, const at::Tensor& token_mask, const LayerWeights& w,
                   const PrefixRows& prefix) const {
    const at::Tensor query = split_heads(linear(x, w.query));
    const at::Tensor key = with_prefix(prefix.keys, split_heads(linear(x, w.key)));
    const at::Tensor value = with_prefix(prefix.values, split_heads(linear(x, w.value)));
    const at::Tensor seen = at::ones({x.size(0), prompt_length_}, token_mask.options());
    const at::Tensor mask = at::cat({seen, token_mask}, 1);
    const double size = static_cast<double>(config_.hidden_size / config_.head_count);
    at::Tensor scores = at::matmul(query, key.transpose(-1, -2)) / std::sqrt(size);
    scores = scores.masked_fill(mask.eq(0).unsqueeze(1).unsqueeze(1), -INFINITY);
    const at::Tensor mixed =
        at::matmul(at::softmax(scores, -1), value).transpose(1, 2).reshape(x.sizes());
    const double eps = config_.layer_norm_eps;
    const at::Tensor attended =
        layer_norm(linear(mixed, w.attention_output) + x, w.attention_norm, eps);
    const at::Tensor inner = gelu(linear(attended, w.intermediate), config_.activation);
    return layer_norm(linear(inner, w.output) + attended, w.output_norm, eps);
  }

  EncoderConfig config_;
  EncoderWeights weights_;
  int64_t prompt_length_ = 0;
  std::vector<PrefixRows> prefixes_;
};

}  // namespace

std::unique_ptr<Layers> make_reference_layers(const EncoderSpec& spec, EncoderWeights weights) {
  return std::make_unique<ReferenceLayers>(spec, std::move(weights));
}

}  // namespace simgpt
