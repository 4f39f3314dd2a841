#include "train/trainable.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "cpu/workers.h"
#include "encoder/chunks.h"
#include "encoder/pooling.h"
#include "error.h"
#include "train/dense_chain.h"
#include "train/group_pass.h"
#include "train/masked_lm.h"
#include "train/operator_model.h"
#include "train/train_spec.h"

namespace simgpt {
namespace {

// What a pass may hold without being asked for less (PERFORMANCE 7.4: no cache while it fits).
constexpr int64_t kDefaultBytes = int64_t{768} << 20;
// A pass that keeps nothing needs no cut for memory's sake; this one bounds its bookkeeping.
constexpr int64_t kForwardTokens = int64_t{1} << 17;

template <typename T>
class Model final : public TrainableModel {
 public:
  Model(const TrainSpec& spec, const CancelToken& cancel)
      : spec_(spec),
        parameters_(spec_, cancel),
        network_(spec_, parameters_),
        lm_head_(spec_, parameters_) {
    std::vector<DenseStep> steps;
    for (size_t i = 0; i < parameters_.projection.size(); ++i) {
      const size_t heads = spec_.encoder.head == Head::kNone ? 0 : 1;
      steps.push_back(
          {&parameters_.projection[i],
           i < heads ? DenseActivation::kTanh : spec_.encoder.dense[i - heads].activation});
    }
    projection_ = DenseChain(steps);
    const PromptParameters& prompt = parameters_.prompt;
    if (prompt.inner.weight.defined()) {
      reparameterisation_ = DenseChain(
          {{&prompt.inner, DenseActivation::kTanh}, {&prompt.outer, DenseActivation::kIdentity}});
    }
  }

  std::vector<Parameter>& parameters() override { return parameters_.list; }
  void parameters_changed() override { stale_ = true; }
  void zero_gradients() override {
    run_tasks(std::ssize(parameters_.list), CancelToken(), [&](int64_t task, int) {
      at::Tensor gradient = parameters_.list[task].grad;
      if (gradient.defined()) gradient.zero_();
    });
  }

  at::Tensor embed(const TrainRows& rows, const std::optional<DropoutKey>& key,
                   int64_t chunk_tokens, const CancelToken& cancel) override {
    prepare(rows);
    const auto chunks =
        plan_chunks(rows.tokens.cu_seqlens, chunk_tokens > 0 ? chunk_tokens : kForwardTokens);
    at::Tensor pooled = make_pooled(rows);
    for (const Chunk& chunk : chunks) {
      put_rows(pooled, chunk,
               forward(arrange_rows(rows, chunk.sequences, spec_), {key}, nullptr, cancel));
    }
    const bool evaluating = !key.has_value();
    if (evaluating && !spec_.head_when_evaluating && spec_.encoder.head != Head::kNone) {
      return pooled;
    }
    return project(pooled);
  }

  AccumulateResult accumulate(const TrainRows& rows, const AccumulateOptions& options,
                              const EmbeddingGradient& gradient,
                              const CancelToken& cancel) override {
    check_masking(options, spec_);
    prepare(rows);
    try {
      AccumulateResult result = accumulate_chunks(rows, options, gradient, cancel);
      if (options.mlm_weight > 0) accumulate_masked(rows, options, result, cancel);
      finish_prompt();
      return result;
    } catch (...) {
      drop_prompt();
      zero_gradients();
      throw;
    }
  }

  std::optional<std::string> first_non_finite_gradient(const CancelToken& cancel) const override {
    for (const Parameter& parameter : parameters_.list) {
      cancel.poll();
      const bool finite =
          !parameter.grad.defined() || at::isfinite(parameter.grad).all().template item<bool>();
      if (!finite) return parameter.name;
    }
    return std::nullopt;
  }

  std::vector<std::pair<std::string, at::Tensor>> checkpoint_tensors() const override {
    return parameters_.checkpoint_tensors();
  }
  std::vector<std::pair<std::string, at::Tensor>> adapter_tensors() const override {
    auto tensors = parameters_.lora_tensors();
    if (spec_.trains == Trains::kDeepPrompt) {
      const at::Tensor prompt =
          DenseChain(reparameterisation_).forward(parameters_.prompt.table.rows);
      tensors.emplace_back("prefix_encoder.embedding.weight", prompt.to(at::kFloat));
    }
    return tensors;
  }

  int64_t dimensions(bool evaluating) const override {
    const bool headless = evaluating && !spec_.head_when_evaluating;
    if (parameters_.projection.empty() || headless) return pooled_width();
    return parameters_.projection.back().weight.size(0);
  }
  int64_t memory_bytes() const override {
    return parameters_.memory_bytes() + network_.memory_bytes();
  }
  const TrainSpec& spec() const override { return spec_; }

 private:
  int64_t pooled_width() const {
    return spec_.encoder.config.hidden_size * std::ssize(spec_.encoder.pooling);
  }

  // What every pass reads, made from the parameters as they are.
  void prepare(const TrainRows& rows) {
    check_rows(rows, spec_);
    if (!stale_) return;
    drop_prompt();
    parameters_.refresh();
    stale_ = false;
  }

  at::Tensor project(const at::Tensor& pooled) {
    const SerialOperators serial;
    return projection_.forward(pooled);
  }

  at::Tensor make_pooled(const TrainRows& rows) const {
    return at::empty({std::ssize(rows.roles), pooled_width()},
                     spec_.encoder.precision == Precision::kFloat64 ? at::kDouble : at::kFloat);
  }

  // A chunk's rows into, or out of, the batch's order.
  static at::Tensor places(const Chunk& chunk) { return at::tensor(chunk.sequences, at::kLong); }
  static void put_rows(at::Tensor& all, const Chunk& chunk, const at::Tensor& rows) {
    all.index_copy_(0, places(chunk), rows);
  }

  at::Tensor forward(const PassRows& rows, const PassDraws& draws, PassBuffers<T>* kept,
                     const CancelToken& cancel) {
    return network_.forward(rows, draws, prompt(), kept, cancel);
  }

  // What was made of the prompt's parameters, with the part of its gradient that is there.
  void drop_prompt() { prompt_ = prompt_gradient_ = at::Tensor(); }

  // [k, 2 L hidden], after its reparameterisation; undefined without one
  at::Tensor prompt() {
    if (spec_.trains != Trains::kDeepPrompt) return {};
    if (!prompt_.defined()) {
      prompt_ = reparameterisation_.forward(parameters_.prompt.table.rows).contiguous();
      prompt_gradient_ = at::zeros_like(prompt_);
    }
    return prompt_;
  }

  void finish_prompt() {
    if (!prompt_.defined()) return;
    at::Tensor gradient = parameters_.prompt.table.grad;
    gradient.add_(reparameterisation_.backward(prompt_gradient_));
    drop_prompt();
  }

  // From the gradient of the pooled vectors, in the pass's order, to those of the parameters.
  void back(const PassRows& rows, const PassDraws& draws, const PassBuffers<T>& kept,
            const at::Tensor& d_pooled, const CancelToken& cancel) {
    const HiddenStates gradients = pool_backward(states(rows, kept), rows.packed.cu_seqlens,
                                                 spec_.encoder.pooling, d_pooled.contiguous());
    network_.backward(rows, draws, prompt(), prompt_gradient_, kept, gradients, cancel);
  }

  // The kept states as tensors over the pass's memory.
  HiddenStates states(const PassRows& rows, const PassBuffers<T>& kept) const {
    const auto state = [&](size_t index) {
      return as_tensor(kept.hidden[index], rows.packed.rows, spec_.encoder.config.hidden_size);
    };
    return {state(kept.hidden.size() - 1), state(1), state(kept.hidden.size() - 2), state(0)};
  }

  bool encoder_trains() const { return spec_.trains != Trains::kHead; }

  int64_t chunk_budget(const TrainRows& rows, int64_t requested) const {
    if (requested > 0) return requested;
    int64_t longest = 1;
    for (size_t i = 0; i + 1 < rows.tokens.cu_seqlens.size(); ++i) {
      longest =
          std::max<int64_t>(longest, rows.tokens.cu_seqlens[i + 1] - rows.tokens.cu_seqlens[i]);
    }
    return std::max<int64_t>(kDefaultBytes / (network_.kept_bytes(longest) / longest), longest);
  }

  AccumulateResult accumulate_chunks(const TrainRows& rows, const AccumulateOptions& options,
                                     const EmbeddingGradient& gradient, const CancelToken& cancel);
  void accumulate_masked(const TrainRows& rows, const AccumulateOptions& options,
                         AccumulateResult& result, const CancelToken& cancel);

  const TrainSpec spec_;
  ParameterSet parameters_;
  Network<T> network_;
  MaskedLmHead lm_head_;
  DenseChain projection_, reparameterisation_;
  at::Tensor prompt_, prompt_gradient_;
  bool stale_ = true;
};

// The gradient cache of METHODS 1.7: embed every chunk, ask for the gradient of all embeddings at
// once, then take each chunk forwards again and back. Masks are functions of counters, so that a
// chunk's second pass is its first. The chunk that was embedded last is kept and not computed
// twice; a batch of one chunk is never computed twice.
template <typename T>
AccumulateResult Model<T>::accumulate_chunks(const TrainRows& rows,
                                             const AccumulateOptions& options,
                                             const EmbeddingGradient& gradient,
                                             const CancelToken& cancel) {
  const PassDraws draws{options.dropout};
  const auto chunks = plan_chunks(rows.tokens.cu_seqlens, chunk_budget(rows, options.chunk_tokens));
  at::Tensor pooled = make_pooled(rows);
  PassRows last_rows;
  PassBuffers<T> last_kept;
  for (const Chunk& chunk : chunks) {
    const bool last = &chunk == &chunks.back() && encoder_trains();
    last_rows = arrange_rows(rows, chunk.sequences, spec_);
    put_rows(pooled, chunk, forward(last_rows, draws, last ? &last_kept : nullptr, cancel));
  }
  const at::Tensor embeddings = project(pooled);
  const at::Tensor d_embeddings = gradient(embeddings);
  if (d_embeddings.sizes() != embeddings.sizes() ||
      d_embeddings.scalar_type() != embeddings.scalar_type()) {
    throw Error(ErrorKind::kType, "expected a gradient of the embeddings' shape and dtype");
  }
  const SerialOperators serial;
  const at::Tensor d_pooled = projection_.backward(d_embeddings);
  AccumulateResult result;
  result.chunks = std::ssize(chunks);
  if (!encoder_trains()) return result;

  for (auto chunk = chunks.rbegin(); chunk != chunks.rend(); ++chunk) {
    if (chunk != chunks.rbegin()) {
      last_rows = arrange_rows(rows, chunk->sequences, spec_);
      forward(last_rows, draws, &last_kept, cancel);
    }
    back(last_rows, draws, last_kept, d_pooled.index_select(0, places(*chunk)), cancel);
  }
  return result;
}

// A second pass over all rows with masked ids and masks of its own. How many tokens are predicted
// is known before the first chunk, so that the loss is one mean over the batch.
template <typename T>
void Model<T>::accumulate_masked(const TrainRows& rows, const AccumulateOptions& options,
                                 AccumulateResult& result, const CancelToken& cancel) {
  const MaskedRows masked = mask_tokens(rows, spec_, *options.dropout);
  result.masked_tokens = masked.masked;
  if (masked.masked == 0) return;
  const PassDraws draws{options.dropout, kMlmPass};
  const double factor = options.mlm_weight / static_cast<double>(masked.masked);
  double sum = 0;
  for (const Chunk& chunk :
       plan_chunks(rows.tokens.cu_seqlens, chunk_budget(rows, options.chunk_tokens))) {
    const PassRows pass = arrange_rows(masked.rows, chunk.sequences, spec_);
    std::vector<int64_t> places, labels;  // of the predicted rows of the pass
    for (size_t i = 0; i < chunk.sequences.size(); ++i) {
      const int32_t begin = rows.tokens.cu_seqlens[chunk.sequences[i]];
      for (int64_t t = 0; t < pass.sequences[i].length; ++t) {
        const int32_t label = masked.labels[begin + t];
        if (label < 0) continue;
        places.push_back(pass.sequences[i].row + t);
        labels.push_back(label);
      }
    }
    if (places.empty()) continue;
    PassBuffers<T> kept;
    forward(pass, draws, &kept, cancel);
    const at::Tensor last = states(pass, kept).last;
    const at::Tensor index = at::tensor(places, at::kLong);
    at::Tensor d_states;
    sum += lm_head_.accumulate(last.index_select(0, index), at::tensor(labels, at::kLong), factor,
                               d_states, cancel);
    if (!encoder_trains()) continue;
    at::Tensor d_last = at::zeros_like(last);
    d_last.index_copy_(0, index, d_states);
    network_.backward(pass, draws, prompt(), prompt_gradient_, kept, {d_last, {}, {}, {}}, cancel);
  }
  result.mlm_loss = sum / static_cast<double>(masked.masked);
}

}  // namespace

std::unique_ptr<TrainableModel> TrainableModel::create(const TrainSpec& spec,
                                                       const CancelToken& cancel) {
  check_spec(spec);
  if (spec.encoder.backend != Backend::kCpu) return make_operator_model(spec, cancel);
  if (spec.encoder.precision == Precision::kFloat64) {
    return std::make_unique<Model<double>>(spec, cancel);
  }
  return std::make_unique<Model<float>>(spec, cancel);
}

}  // namespace simgpt
