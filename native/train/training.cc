#include "train/training.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/cpu.h"
#include "encoder/pooling.h"
#include "encoder/tokenizer_files.h"
#include "error.h"
#include "tokenizer/tokenizer.h"

namespace simgpt {
namespace {

constexpr size_t kMostHardNegatives = 254;  // roles are bytes: anchor, positive, then these

// Examples whose rows of a matrix hold NaN or infinity.
std::vector<int64_t> bad_rows(const at::Tensor& rows) {
  std::vector<int64_t> places;
  const at::Tensor fine = at::isfinite(rows).all(1).cpu();
  if (fine.all().item<bool>()) return places;
  for (int64_t i = 0; i < fine.size(0); ++i) {
    if (!fine[i].item<bool>()) places.push_back(i);
  }
  return places;
}

std::optional<NotFinite> bad_embeddings(const at::Tensor& embeddings, const TrainingTexts& texts) {
  const int64_t n = texts.examples;
  std::vector<int64_t> places;
  for (const int64_t row : bad_rows(embeddings)) {
    places.push_back(row < 2 * n ? row % n : texts.owner[static_cast<size_t>(row - 2 * n)]);
  }
  if (places.empty()) return std::nullopt;
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return NotFinite{"embeddings", places};
}

std::optional<NotFinite> bad_loss(const LossResult& loss) {
  if (std::isfinite(loss.value)) return std::nullopt;
  return NotFinite{"loss", bad_rows(loss.row_losses.unsqueeze(1))};
}

// Plain operators go with plain operators.
bool uses_kernels(const TrainableModel& model) {
  return model.spec().encoder.backend == Backend::kCpu;
}

LossBackend loss_backend(const TrainableModel& model) {
  return uses_kernels(model) ? LossBackend::kFused : LossBackend::kReference;
}

// Ends a pass from within; never leaves accumulate().
struct Stopped {};

at::Tensor gradient_rows(const LossResult& loss) {
  std::vector<at::Tensor> parts = {loss.d_anchors, loss.d_positives};
  if (loss.d_hard_negatives.defined()) parts.push_back(loss.d_hard_negatives);
  return at::cat(parts);
}

// Rows of other encoders, beside the embeddings; ids stay on the host, where they are checked.
LossBatch on_device(LossBatch inputs, at::Device device) {
  for (at::Tensor* rows : {&inputs.reference_anchors, &inputs.reference_candidates,
                           &inputs.teacher_anchors, &inputs.teacher_candidates}) {
    if (rows->defined()) *rows = rows->to(device);
  }
  return inputs;
}

void set_temperature(LossSpec& losses, double temperature) {
  for (LossTerm& term : losses) {
    if (auto* contrast = std::get_if<InfoNceLoss>(&term.kind)) {
      if (contrast->learns_temperature) contrast->temperature = temperature;
    } else if (auto* nested = std::get_if<MatryoshkaLoss>(&term.kind)) {
      set_temperature(nested->terms, temperature);
    }
  }
}

}  // namespace

Training::Training(const TrainSpec& spec, const CancelToken& cancel)
    : tokenizer_(load_tokenizer(spec.encoder.tokenizer)) {
  if (tokenizer_->max_id() >= spec.encoder.config.vocab_size) {
    throw Error("modelInvalid", spec.encoder.tokenizer.path + ": expected token ids below " +
                                    std::to_string(spec.encoder.config.vocab_size) + ", received " +
                                    std::to_string(tokenizer_->max_id()));
  }
  model_ = TrainableModel::create(spec, cancel);
}

Training::~Training() = default;

TokenBatch Training::tokenize(const PackedTexts& texts, bool truncate, bool add_special_tokens,
                              const CancelToken& cancel) const {
  const int64_t limit =
      truncate ? model_->spec().encoder.max_tokens : std::numeric_limits<int32_t>::max();
  return tokenizer_->encode(texts, limit, add_special_tokens, thread_count(), cancel);
}

TrainRows Training::rows_of(const PackedTexts& texts, const TrainingTexts& plan, int64_t max_tokens,
                            const CancelToken& cancel) const {
  const auto n = static_cast<size_t>(plan.examples);
  if (plan.example_ids.size() != n || texts.count != 2 * n + plan.owner.size()) {
    throw Error(ErrorKind::kRange, "expected as many texts and ids as examples have");
  }
  const int64_t most = model_->spec().encoder.max_tokens;
  const int64_t limit = max_tokens > 0 ? std::min(max_tokens, most) : most;
  TrainRows rows{tokenizer_->encode(texts, limit, true, thread_count(), cancel), {}, {}};
  for (const uint8_t role : {0, 1}) {
    rows.example_ids.insert(rows.example_ids.end(), plan.example_ids.begin(),
                            plan.example_ids.end());
    rows.roles.insert(rows.roles.end(), n, role);
  }
  for (size_t h = 0, place = 0; h < plan.owner.size(); ++h) {
    const auto owner = static_cast<size_t>(plan.owner[h]);
    place = h > 0 && plan.owner[h] == plan.owner[h - 1] ? place + 1 : 0;
    if (owner >= n || place >= kMostHardNegatives) {
      throw Error(ErrorKind::kRange, "expected at most 254 hard negatives of one example");
    }
    rows.example_ids.push_back(plan.example_ids[owner]);
    rows.roles.push_back(static_cast<uint8_t>(2 + place));
  }
  return rows;
}

AccumulateOutcome Training::accumulate(const PackedTexts& texts, const AccumulateRequest& request,
                                       const CancelToken& cancel) {
  AccumulateOutcome outcome;
  const TrainRows rows = rows_of(texts, request.texts, request.max_tokens, cancel);
  for (size_t i = 0; i < texts.count; ++i) {
    const int32_t length = rows.tokens.cu_seqlens[i + 1] - rows.tokens.cu_seqlens[i];
    outcome.truncated += length < rows.tokens.full_lengths[i];
  }
  LossSpec losses = request.losses;
  if (request.learned_temperature) {
    learn_temperature(*request.learned_temperature);
    set_temperature(losses, temperature());
  }
  AccumulateOptions options;
  options.chunk_tokens = request.chunk_tokens;
  options.mlm_weight = request.mlm_weight;
  if (request.dropout) {
    const auto counted = static_cast<uint32_t>(steps());
    options.dropout = DropoutKey{model_->spec().seed, request.step.value_or(counted)};
  }
  const int64_t n = request.texts.examples;
  const auto hard = static_cast<int64_t>(request.texts.owner.size());
  const auto gradient = [&](const at::Tensor& embeddings) {
    outcome.not_finite = bad_embeddings(embeddings, request.texts);
    if (outcome.not_finite) throw Stopped{};
    LossBatch batch = on_device(request.inputs, embeddings.device());
    batch.anchors = embeddings.narrow(0, 0, n);
    batch.positives = embeddings.narrow(0, n, n);
    if (hard > 0) batch.hard_negatives = embeddings.narrow(0, 2 * n, hard);
    outcome.loss = compute_loss(losses, batch, loss_backend(*model_), cancel);
    outcome.not_finite = bad_loss(outcome.loss);
    if (outcome.not_finite) throw Stopped{};
    return gradient_rows(outcome.loss);
  };
  try {
    const AccumulateResult result = model_->accumulate(rows, options, gradient, cancel);
    outcome.mlm_loss = result.mlm_loss;
    outcome.chunks = result.chunks;
  } catch (const Stopped&) {
    zero_gradients();
    return outcome;
  } catch (...) {
    zero_gradients();  // the temperature's too
    throw;
  }
  if (!std::isfinite(outcome.mlm_loss)) {
    outcome.not_finite = NotFinite{"loss of masked language modelling", {}};
    zero_gradients();
    return outcome;
  }
  if (log_temperature_) log_temperature_->grad.add_(outcome.loss.d_log_temperature);
  return outcome;
}

Parameter Training::learned_temperature(double initial) {
  const auto scalar = at::TensorOptions().dtype(at::kDouble);
  return {"log_temperature", at::full({}, std::log(initial), scalar), at::zeros({}, scalar), true,
          false};
}

double Training::temperature() const {
  return log_temperature_ ? std::exp(log_temperature_->value.item<double>())
                          : std::numeric_limits<double>::quiet_NaN();
}

void Training::learn_temperature(const std::pair<double, double>& range) {
  lowest_temperature_ = range.second;
  if (log_temperature_) return;
  if (optimizer_) {
    throw Error(ErrorKind::kRange,
                "expected a learned temperature from the first step on, received one later");
  }
  log_temperature_ = learned_temperature(range.first);
}

void Training::zero_gradients() {
  model_->zero_gradients();
  if (log_temperature_) log_temperature_->grad.zero_();
}

AdamW& Training::optimizer(const AdamWOptions& options) {
  if (optimizer_) {
    optimizer_->set_options(options);
  } else {
    std::vector<Parameter> parameters = model_->parameters();
    if (log_temperature_) parameters.push_back(*log_temperature_);
    const AdamWForm form = uses_kernels(*model_) ? AdamWForm::kKernels : AdamWForm::kOperators;
    optimizer_.emplace(parameters, options, form);
  }
  return *optimizer_;
}

StepResult Training::step(const AdamWOptions& options, double learning_rate,
                          std::optional<double> max_norm) {
  StepResult result = optimizer(options).step(learning_rate, max_norm);
  if (result.not_finite) {
    zero_gradients();
    return result;
  }
  if (log_temperature_) log_temperature_->value.clamp_min_(std::log(lowest_temperature_));
  model_->parameters_changed();
  return result;
}

EmbedResult Training::embed(const PackedTexts& texts, const EmbedOptions& options,
                            const CancelToken& cancel, const ProgressFn& progress) {
  const int64_t width = model_->dimensions(true);
  if (options.dimensions < 0 || options.dimensions > width) {
    throw Error(ErrorKind::kRange, "expected dimensions 1 to " + std::to_string(width) +
                                       ", received " + std::to_string(options.dimensions));
  }
  TrainRows rows{tokenize(texts, true, true, cancel), {}, {}};
  rows.example_ids.assign(texts.count, 0);
  rows.roles.assign(texts.count, 0);
  EmbedResult result;
  for (size_t i = 0; i < texts.count; ++i) {
    result.token_counts.push_back(rows.tokens.cu_seqlens[i + 1] - rows.tokens.cu_seqlens[i]);
    result.truncated.push_back(result.token_counts[i] < rows.tokens.full_lengths[i]);
  }
  at::Tensor embeddings = texts.count == 0
                              ? at::empty({0, width}, at::kFloat)
                              : model_->embed(rows, std::nullopt, options.batch_tokens, cancel);
  if (options.dimensions > 0) embeddings = embeddings.narrow(1, 0, options.dimensions).clone();
  if (options.normalize) normalize_rows(embeddings);
  result.embeddings = embeddings.contiguous();
  if (progress) progress(static_cast<int64_t>(texts.count), static_cast<int64_t>(texts.count));
  return result;
}

at::Tensor Training::embed_examples(const PackedTexts& texts, const ExampleRequest& request,
                                    const CancelToken& cancel) {
  const TrainRows rows = rows_of(texts, request.texts, request.max_tokens, cancel);
  const DropoutKey key{model_->spec().seed, request.step};
  return model_->embed(rows, key, 0, cancel).contiguous();
}

int64_t Training::memory_bytes() const {
  return model_->memory_bytes() + tokenizer_->memory_bytes() +
         (optimizer_ ? optimizer_->memory_bytes() : 0);
}

}  // namespace simgpt
