// A loaded model: tokenizer, encoder layers, pooling, head, dense modules. Immutable after load.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "cancellation.h"
#include "spec.h"
#include "tokenizer/token_batch.h"

namespace simgpt {

class Tokenizer;

struct EmbedOptions {
  bool normalize = true;
  int64_t dimensions = 0;    // first dimensions kept, renormalised if normalize; 0: all
  int64_t batch_tokens = 0;  // most tokens in one chunk; 0: chosen by the cache
};

struct EmbedResult {
  at::Tensor embeddings;              // [texts, dimensions] float32, or float64 from the reference
  std::vector<int32_t> token_counts;  // [texts] tokens that reached the model
  std::vector<uint8_t> truncated;     // [texts] 1 where the text was cut
};

// Called on the job's thread with texts done and texts in all.
using ProgressFn = std::function<void(int64_t, int64_t)>;

class Encoder {
 public:
  virtual ~Encoder() = default;

  // Reads and checks every file named by the spec, then runs the self-check (METHODS D10).
  static std::shared_ptr<const Encoder> load(const EncoderSpec& spec, const CancelToken& cancel);

  virtual EmbedResult embed(const PackedTexts& texts, const EmbedOptions& options,
                            const CancelToken& cancel, const ProgressFn& progress) const = 0;
  // The same for ids that are already tokens; cu_seqlens as in TokenBatch.
  virtual EmbedResult embed_tokens(const TokenBatch& batch, const EmbedOptions& options,
                                   const CancelToken& cancel, const ProgressFn& progress) const = 0;
  virtual TokenBatch tokenize(const PackedTexts& texts, bool truncate, bool add_special_tokens,
                              const CancelToken& cancel) const = 0;
  virtual int64_t dimensions() const = 0;
  virtual int64_t memory_bytes() const = 0;  // weights and tokenizer
  virtual const EncoderSpec& spec() const = 0;
};

}  // namespace simgpt
