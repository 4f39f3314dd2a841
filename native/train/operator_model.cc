#include "train/operator_model.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "compat.h"
#include "cuda/plugin_loader.h"
#include "encoder/chunks.h"
#include "error.h"
#include "train/masked_lm.h"
#include "train/operator_network.h"
#include "train/train_spec.h"

namespace simgpt {
namespace {

// What a pass may hold without being asked for less.
constexpr int64_t kHostBytes = int64_t{768} << 20;
constexpr int64_t kDeviceBytes = int64_t{8} << 30;
// Scores of so many rows against the whole vocabulary are in memory at once.
constexpr int64_t kScoreRows = 2048;

const TrainSpec& with_device(const TrainSpec& spec) {
  if (spec.encoder.backend == Backend::kCuda) cuda::plugin();  // opens CUDA, or throws
  return spec;
}

class OperatorModel final : public TrainableModel {
 public:
  OperatorModel(const TrainSpec& spec, const CancelToken& cancel)
      : spec_(with_device(spec)), parameters_(spec_, cancel), network_(spec_, parameters_) {
    for (const Parameter& parameter : parameters_.list) {
      if (parameter.grad.defined()) gradients_.push_back(parameter.grad);
    }
  }

  std::vector<Parameter>& parameters() override { return parameters_.list; }
  void parameters_changed() override {}  // nothing is derived from them between passes
  void zero_gradients() override { at::_foreach_zero_(gradients_); }

  at::Tensor embed(const TrainRows& rows, const std::optional<DropoutKey>& key,
                   int64_t chunk_tokens, const CancelToken& cancel) override {
    check_rows(rows, spec_);
    const at::AutoGradMode recording(false);
    at::Tensor pooled = make_pooled(rows);
    // A pass that keeps nothing holds about one layer of what a kept one does.
    for (const Chunk& chunk : cut(rows, chunk_tokens, spec_.encoder.config.layer_count)) {
      put_rows(pooled, chunk, forward(rows, chunk, {key}, cancel));
    }
    const bool headless =
        !key.has_value() && !spec_.head_when_evaluating && spec_.encoder.head != Head::kNone;
    return (headless ? pooled : network_.project(pooled)).cpu();
  }

  AccumulateResult accumulate(const TrainRows& rows, const AccumulateOptions& options,
                              const EmbeddingGradient& gradient,
                              const CancelToken& cancel) override {
    check_masking(options, spec_);
    check_rows(rows, spec_);
    try {
      AccumulateResult result = accumulate_chunks(rows, options, gradient, cancel);
      if (options.mlm_weight > 0) accumulate_masked(rows, options, result, cancel);
      return result;
    } catch (...) {
      zero_gradients();
      throw;
    }
  }

  std::optional<std::string> first_non_finite_gradient(const CancelToken& cancel) const override {
    cancel.poll();
    std::vector<at::Tensor> finite;
    for (const at::Tensor& gradient : gradients_) finite.push_back(at::isfinite(gradient).all());
    const at::Tensor all = at::stack(finite).cpu();
    const bool* found = all.const_data_ptr<bool>();
    for (const Parameter& parameter : parameters_.list) {
      if (parameter.grad.defined() && !*found++) return parameter.name;
    }
    return std::nullopt;
  }

  std::vector<std::pair<std::string, at::Tensor>> checkpoint_tensors() const override {
    return on_host(parameters_.checkpoint_tensors());
  }
  std::vector<std::pair<std::string, at::Tensor>> adapter_tensors() const override {
    auto tensors = parameters_.lora_tensors();
    if (spec_.trains == Trains::kDeepPrompt) {
      const at::AutoGradMode recording(false);
      tensors.emplace_back("prefix_encoder.embedding.weight", network_.prompt().to(at::kFloat));
    }
    return on_host(std::move(tensors));
  }

  int64_t dimensions(bool evaluating) const override {
    const bool headless = evaluating && !spec_.head_when_evaluating;
    if (parameters_.projection.empty() || headless) return pooled_width();
    return parameters_.projection.back().weight.size(0);
  }
  int64_t memory_bytes() const override { return parameters_.memory_bytes(); }
  const TrainSpec& spec() const override { return spec_; }

 private:
  static std::vector<std::pair<std::string, at::Tensor>> on_host(
      std::vector<std::pair<std::string, at::Tensor>> tensors) {
    for (auto& [name, tensor] : tensors) tensor = tensor.cpu();
    return tensors;
  }

  at::Device device() const { return parameters_.list.front().value.device(); }
  int64_t pooled_width() const {
    return spec_.encoder.config.hidden_size * std::ssize(spec_.encoder.pooling);
  }
  at::Tensor make_pooled(const TrainRows& rows) const {
    return at::empty({std::ssize(rows.roles), pooled_width()},
                     at::TensorOptions(network_.wide()).device(device()));
  }
  bool encoder_trains() const { return spec_.trains != Trains::kHead; }

  // share: which part of a kept pass's memory is held
  std::vector<Chunk> cut(const TrainRows& rows, int64_t requested, int64_t share) const {
    int64_t longest = 1;
    const std::vector<int32_t>& starts = rows.tokens.cu_seqlens;
    for (size_t i = 0; i + 1 < starts.size(); ++i) {
      longest = std::max<int64_t>(longest, starts[i + 1] - starts[i]);
    }
    const int64_t bytes = device().is_cpu() ? kHostBytes : kDeviceBytes;
    const int64_t fitting = bytes * share / network_.bytes_per_token(longest);
    return plan_chunks(starts, requested > 0 ? requested : std::max(fitting, longest));
  }

  // A chunk's rows into, or out of, the batch's order.
  at::Tensor places(const Chunk& chunk) const {
    return at::tensor(chunk.sequences, at::kLong).to(device());
  }
  void put_rows(at::Tensor& all, const Chunk& chunk, const at::Tensor& rows) const {
    all.index_copy_(0, places(chunk), rows.detach());
  }

  // [sequences of the chunk, pooled width]
  at::Tensor forward(const TrainRows& rows, const Chunk& chunk, const PassDraws& draws,
                     const CancelToken& cancel) const {
    const OperatorRows placed = place_rows(rows, chunk.sequences, spec_, device());
    return network_.pool(network_.forward(placed, draws, cancel), placed);
  }

  AccumulateResult accumulate_chunks(const TrainRows& rows, const AccumulateOptions& options,
                                     const EmbeddingGradient& gradient, const CancelToken& cancel);
  at::Tensor pooled_gradient(const at::Tensor& pooled, const EmbeddingGradient& gradient) const;
  void accumulate_masked(const TrainRows& rows, const AccumulateOptions& options,
                         AccumulateResult& result, const CancelToken& cancel);
  at::Tensor masked_gradient(const at::Tensor& states, const std::vector<int64_t>& labels,
                             double factor, at::Tensor& sum) const;

  const TrainSpec spec_;
  ParameterSet parameters_;
  OperatorNetwork network_;
  std::vector<at::Tensor> gradients_;
};

// The gradient cache of METHODS 1.7, as in trainable.cc: a chunk keeps its graph where it is the
// last one, the others are computed a second time, with the same masks.
AccumulateResult OperatorModel::accumulate_chunks(const TrainRows& rows,
                                                  const AccumulateOptions& options,
                                                  const EmbeddingGradient& gradient,
                                                  const CancelToken& cancel) {
  const PassDraws draws{options.dropout};
  const auto chunks = cut(rows, options.chunk_tokens, 1);
  at::Tensor pooled = make_pooled(rows), last;
  for (const Chunk& chunk : chunks) {
    const at::AutoGradMode recording(&chunk == &chunks.back() && encoder_trains());
    last = forward(rows, chunk, draws, cancel);
    put_rows(pooled, chunk, last);
  }
  const at::Tensor d_pooled = pooled_gradient(pooled, gradient);
  AccumulateResult result;
  result.chunks = std::ssize(chunks);
  if (!encoder_trains()) return result;
  for (auto chunk = chunks.rbegin(); chunk != chunks.rend(); ++chunk) {
    cancel.poll();
    if (chunk != chunks.rbegin()) {
      const at::AutoGradMode recording(true);
      last = forward(rows, *chunk, draws, cancel);
    }
    compat::backward(last, d_pooled.index_select(0, places(*chunk)));
    last = at::Tensor();  // its graph goes before the next one comes
  }
  return result;
}

// Through the head, whose gradients are added, to the pooled vectors of all chunks.
at::Tensor OperatorModel::pooled_gradient(const at::Tensor& pooled,
                                          const EmbeddingGradient& gradient) const {
  const at::AutoGradMode recording(true);
  const at::Tensor leaf = pooled.detach().requires_grad_(true);
  const at::Tensor embeddings = network_.project(leaf);
  const at::Tensor d_embeddings = gradient(embeddings.detach());
  if (d_embeddings.sizes() != embeddings.sizes() ||
      d_embeddings.scalar_type() != embeddings.scalar_type()) {
    throw Error(ErrorKind::kType, "expected a gradient of the embeddings' shape and dtype");
  }
  compat::backward(embeddings, d_embeddings);
  return leaf.grad();
}

// A second pass over all rows with masked ids and masks of its own, as in trainable.cc.
void OperatorModel::accumulate_masked(const TrainRows& rows, const AccumulateOptions& options,
                                      AccumulateResult& result, const CancelToken& cancel) {
  const MaskedRows masked = mask_tokens(rows, spec_, *options.dropout);
  result.masked_tokens = masked.masked;
  if (masked.masked == 0) return;
  const double factor = options.mlm_weight / static_cast<double>(masked.masked);
  at::Tensor sum = at::zeros({}, at::TensorOptions(at::kDouble).device(device()));
  for (const Chunk& chunk : cut(rows, options.chunk_tokens, 1)) {
    cancel.poll();
    std::vector<int64_t> packed, labels;  // of the predicted rows of the pass
    int64_t row = 0;
    for (const int64_t i : chunk.sequences) {
      for (int32_t t = rows.tokens.cu_seqlens[i]; t < rows.tokens.cu_seqlens[i + 1]; ++t, ++row) {
        if (masked.labels[t] < 0) continue;
        packed.push_back(row);
        labels.push_back(masked.labels[t]);
      }
    }
    if (packed.empty()) continue;
    const at::AutoGradMode recording(encoder_trains());
    const OperatorRows placed = place_rows(masked.rows, chunk.sequences, spec_, device());
    const at::Tensor states = network_.forward(placed, {options.dropout, kMlmPass}, cancel)
                                  .last.index_select(0, at::tensor(packed, at::kLong).to(device()));
    const at::Tensor d_states = masked_gradient(states.detach(), labels, factor, sum);
    if (encoder_trains()) compat::backward(states, d_states);
  }
  result.mlm_loss = sum.item<double>() / static_cast<double>(masked.masked);
}

// Adds the cross-entropies to `sum` and their gradients, times `factor`, to the head's parameters;
// returns the gradient of the states.
at::Tensor OperatorModel::masked_gradient(const at::Tensor& states,
                                          const std::vector<int64_t>& labels, double factor,
                                          at::Tensor& sum) const {
  const at::AutoGradMode recording(true);
  const at::Tensor leaf = states.requires_grad_(true);
  const at::Tensor wanted = at::tensor(labels, at::kLong).to(device());
  for (int64_t first = 0; first < leaf.size(0); first += kScoreRows) {
    const int64_t end = std::min(first + kScoreRows, leaf.size(0));
    const at::Tensor entropy =
        network_.masked_entropy(leaf.slice(0, first, end), wanted.slice(0, first, end));
    sum.add_(entropy.detach());
    compat::backward(entropy * factor, {});
  }
  return leaf.grad();
}

}  // namespace

std::unique_ptr<TrainableModel> make_operator_model(const TrainSpec& spec,
                                                    const CancelToken& cancel) {
  return std::make_unique<OperatorModel>(spec, cancel);
}

}  // namespace simgpt
