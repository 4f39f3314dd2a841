#include "encoder/model.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "cpu/cpu.h"
#include "cpu/workers.h"
#include "cuda/plugin_loader.h"
#include "encoder/mean_pool_normalized.h"
#include "encoder/pooling.h"
#include "encoder/tokenizer_files.h"
#include "error.h"
#include "tokenizer/tokenizer.h"

namespace simgpt {
namespace {

// A chunk's widest activation, [tokens, intermediate] float32, stays within this: about what the
// second- and third-level caches of a core hold. Larger chunks measured up to 25 % slower.
constexpr int64_t kChunkBytes = 6 << 20;
constexpr int64_t kLeastChunkTokens = 64;
// Fills whole waves of 128 x 256 tiles on 132 multiprocessors at hidden size 768 (PERFORMANCE 3.3).
constexpr int64_t kWaveTokens = 11'264;
// A lone chunk of less work than this (8 ms of one core) stays on one thread: the barrier behind
// each operator costs as much as a second thread gains, and far more on a busy machine.
constexpr int64_t kLeastSharedFlop = 2'000'000'000;

// Multiply-adds count two; PERFORMANCE 1, without attention.
int64_t linear_flop(const EncoderConfig& config, int64_t tokens) {
  const int64_t hidden = config.hidden_size;
  return 2 * config.layer_count * (4 * hidden * hidden + 2 * hidden * config.intermediate_size) *
         tokens;
}

PackedRows chunk_rows(const Chunk& chunk, const TokenBatch& batch, const EncoderConfig& config) {
  PackedRows rows;
  rows.rows = chunk.rows;
  rows.token_ids.reserve(static_cast<size_t>(chunk.rows));
  rows.cu_seqlens.push_back(0);
  for (const int64_t sequence : chunk.sequences) {
    const auto begin = batch.token_ids.begin() + batch.cu_seqlens[sequence];
    const auto end = batch.token_ids.begin() + batch.cu_seqlens[sequence + 1];
    rows.token_ids.insert(rows.token_ids.end(), begin, end);
    rows.cu_seqlens.push_back(static_cast<int32_t>(rows.token_ids.size()));
  }
  rows.token_ids.resize(static_cast<size_t>(chunk.rows), static_cast<int32_t>(config.pad_token_id));
  return rows;
}

void check_tokens(const TokenBatch& batch, const EncoderConfig& config, int64_t max_tokens) {
  for (const int32_t id : batch.token_ids) {
    if (id < 0 || id >= config.vocab_size) {
      throw Error(ErrorKind::kRange, "expected token ids 0 to " +
                                         std::to_string(config.vocab_size - 1) + ", received " +
                                         std::to_string(id));
    }
  }
  for (size_t i = 0; i + 1 < batch.cu_seqlens.size(); ++i) {
    const int64_t length = batch.cu_seqlens[i + 1] - batch.cu_seqlens[i];
    if (length > max_tokens) {
      throw Error(ErrorKind::kRange, "expected at most " + std::to_string(max_tokens) +
                                         " tokens in a sequence, received " +
                                         std::to_string(length));
    }
  }
}

}  // namespace

// What the workers of one embed call share.
struct EncoderModel::Run {
  const TokenBatch& batch;
  const EmbedOptions& options;
  const CancelToken& cancel;
  const ProgressFn& progress;
  std::vector<Chunk> chunks;
  at::Tensor embeddings;  // [texts, dimensions]
  std::atomic<size_t> next{0};
  std::atomic<int64_t> done{0};  // texts
  std::atomic<bool> failed{false};
};

EncoderModel::EncoderModel(const EncoderSpec& spec, const CancelToken& cancel)
    : spec_(spec), request_(hidden_request(spec.pooling)) {
  const c10::InferenceMode inference;
  if (spec.backend == Backend::kCuda) cuda::plugin();  // throws where the device cannot be used
  tokenizer_ = load_tokenizer(spec.tokenizer);
  if (tokenizer_->max_id() >= spec.config.vocab_size) {
    throw Error("modelInvalid", spec.tokenizer.path + ": expected token ids below " +
                                    std::to_string(spec.config.vocab_size) +
                                    ", the rows of the embedding table, received " +
                                    std::to_string(tokenizer_->max_id()));
  }
  const int64_t room = spec.config.max_positions - spec.config.position_offset;
  if (spec.max_tokens + spec.prompt_length > room) {
    throw Error(ErrorKind::kRange, "expected maxTokens and the rows of a deep prompt within " +
                                       std::to_string(room) + " positions, received " +
                                       std::to_string(spec.max_tokens + spec.prompt_length));
  }
  EncoderWeights weights = read_encoder_weights(spec, cancel);
  projection_ = std::make_unique<Projection>(spec, weights.head, cancel);
  cancel.poll();
  layers_ = spec.backend == Backend::kReference
                ? make_reference_layers(spec, std::move(weights))
                : make_packed_layers(spec, std::move(weights), cancel);
}

int64_t EncoderModel::memory_bytes() const {
  return layers_->memory_bytes() + projection_->memory_bytes() + tokenizer_->memory_bytes();
}

TokenBatch EncoderModel::tokenize(const PackedTexts& texts, bool truncate, bool add_special_tokens,
                                  const CancelToken& cancel) const {
  const int64_t limit = truncate ? spec_.max_tokens : std::numeric_limits<int32_t>::max();
  return tokenizer_->encode(texts, limit, add_special_tokens, thread_count(), cancel);
}

EmbedResult EncoderModel::embed(const PackedTexts& texts, const EmbedOptions& options,
                                const CancelToken& cancel, const ProgressFn& progress) const {
  return embed_tokens(tokenize(texts, /*truncate=*/true, /*add_special_tokens=*/true, cancel),
                      options, cancel, progress);
}

// The budget asked for, else by the cache; less where that leaves a thread without a chunk.
int64_t EncoderModel::chunk_budget(int64_t requested, int64_t tokens) const {
  if (spec_.backend != Backend::kCpu) return requested > 0 ? requested : kWaveTokens;
  const int64_t fitting = kChunkBytes / (4 * spec_.config.intermediate_size);
  const int64_t budget = requested > 0 ? requested : std::clamp<int64_t>(fitting, 256, 4096);
  const int64_t share = (tokens + thread_count() - 1) / thread_count();
  return std::min(budget, std::max(share, kLeastChunkTokens));
}

EmbedResult EncoderModel::embed_tokens(const TokenBatch& batch, const EmbedOptions& options,
                                       const CancelToken& cancel,
                                       const ProgressFn& progress) const {
  const c10::InferenceMode inference;
  check_tokens(batch, spec_.config, spec_.max_tokens);
  const int64_t texts = static_cast<int64_t>(batch.cu_seqlens.size()) - 1;
  if (options.dimensions < 0 || options.dimensions > dimensions()) {
    throw Error(ErrorKind::kRange, "expected dimensions 1 to " + std::to_string(dimensions()) +
                                       ", received " + std::to_string(options.dimensions));
  }
  const int64_t width = options.dimensions == 0 ? dimensions() : options.dimensions;
  const at::ScalarType dtype = spec_.precision == Precision::kFloat64 ? at::kDouble : at::kFloat;
  Run run{
      batch,
      options,
      cancel,
      progress,
      plan_chunks(batch.cu_seqlens, chunk_budget(options.batch_tokens, batch.cu_seqlens.back())),
      at::zeros({texts, width}, dtype)};

  // Whole chunks on each thread keep every product on one core. A single large chunk spreads its
  // operators over the threads instead. CUDA is steered from one thread.
  const bool alone = run.chunks.size() <= 1;
  const bool shares_operators =
      alone && linear_flop(spec_.config, batch.cu_seqlens.back()) >= kLeastSharedFlop;
  if (spec_.backend != Backend::kCpu || shares_operators) {
    work(run, /*reports=*/true);
  } else {
    const auto workers = std::min<int64_t>(thread_count(), std::ssize(run.chunks));
    run_workers(static_cast<int>(std::max<int64_t>(workers, 1)), [&](int worker) {
      const c10::InferenceMode inference_here;
      work(run, /*reports=*/worker == 0);
    });
  }

  EmbedResult result{run.embeddings, {}, {}};
  for (int64_t i = 0; i < texts; ++i) {
    result.token_counts.push_back(batch.cu_seqlens[i + 1] - batch.cu_seqlens[i]);
    result.truncated.push_back(!batch.full_lengths.empty() &&
                               batch.full_lengths[i] > result.token_counts.back());
  }
  return result;
}

// Takes chunks until none is left, one worker fails or the job is cancelled.
void EncoderModel::work(Run& run, bool reports) const {
  const auto texts = static_cast<int64_t>(run.batch.cu_seqlens.size()) - 1;
  const auto bytes = static_cast<size_t>(run.embeddings.stride(0) * run.embeddings.itemsize());
  auto* target = static_cast<char*>(run.embeddings.mutable_data_ptr());
  try {
    for (size_t i = run.next++; i < run.chunks.size() && !run.failed; i = run.next++) {
      const Chunk& chunk = run.chunks[i];
      const at::Tensor rows = embed_chunk(chunk, run.batch, run.options, run.cancel);
      const auto* source = static_cast<const char*>(rows.const_data_ptr());
      for (const int64_t sequence : chunk.sequences) {
        std::memcpy(target + static_cast<size_t>(sequence) * bytes, source, bytes);
        source += bytes;
      }
      run.done += std::ssize(chunk.sequences);
      if (reports && run.progress) run.progress(run.done, texts);
    }
  } catch (...) {
    run.failed = true;
    throw;
  }
}

// The commonest model: mean pooling, nothing behind it, unit rows.
bool EncoderModel::pools_and_normalizes_at_once(const EmbedOptions& options) const {
  return spec_.backend != Backend::kReference && options.normalize && options.dimensions == 0 &&
         projection_->empty() && spec_.pooling == std::vector<Pooling>{Pooling::kMean};
}

// [sequences of the chunk, dimensions] on the CPU, contiguous
at::Tensor EncoderModel::embed_chunk(const Chunk& chunk, const TokenBatch& batch,
                                     const EmbedOptions& options, const CancelToken& cancel) const {
  cancel.poll();
  const PackedRows rows = chunk_rows(chunk, batch, spec_.config);
  const HiddenStates states = layers_->forward(rows, request_, cancel);
  if (pools_and_normalizes_at_once(options)) {
    const at::Tensor cu_seqlens = at::tensor(rows.cu_seqlens, at::kInt).to(states.last.device());
    return mean_pool_normalized(states.last.slice(0, 0, rows.tokens()), cu_seqlens).cpu();
  }
  const at::Tensor pooled = spec_.backend == Backend::kCpu
                                ? pool_cpu(states, rows.cu_seqlens, spec_.pooling)
                                : pool_reference(states, rows.cu_seqlens, spec_.pooling).cpu();
  at::Tensor embeddings = projection_->forward(pooled);
  if (options.dimensions > 0) embeddings = embeddings.slice(1, 0, options.dimensions).clone();
  if (options.normalize) normalize_rows(embeddings);
  return embeddings.contiguous();
}

std::shared_ptr<const Encoder> Encoder::load(const EncoderSpec& spec, const CancelToken& cancel) {
  auto model = std::make_shared<const EncoderModel>(spec, cancel);
  self_check(*model, cancel);
  return model;
}

}  // namespace simgpt
