// Encoder::load's result: tokenizer, layers, pooling and projection put together.
#pragma once

#include "encoder/chunks.h"
#include "encoder/encoder.h"
#include "encoder/head.h"
#include "encoder/layers.h"

namespace simgpt {

class EncoderModel final : public Encoder {
 public:
  EncoderModel(const EncoderSpec& spec, const CancelToken& cancel);

  EmbedResult embed(const PackedTexts& texts, const EmbedOptions& options,
                    const CancelToken& cancel, const ProgressFn& progress) const override;
  EmbedResult embed_tokens(const TokenBatch& batch, const EmbedOptions& options,
                           const CancelToken& cancel, const ProgressFn& progress) const override;
  TokenBatch tokenize(const PackedTexts& texts, bool truncate, bool add_special_tokens,
                      const CancelToken& cancel) const override;
  int64_t dimensions() const override { return projection_->dimensions(); }
  int64_t memory_bytes() const override;
  const EncoderSpec& spec() const override { return spec_; }

 private:
  struct Run;

  bool pools_and_normalizes_at_once(const EmbedOptions& options) const;
  int64_t chunk_budget(int64_t requested, int64_t tokens) const;
  at::Tensor embed_chunk(const Chunk& chunk, const TokenBatch& batch, const EmbedOptions& options,
                         const CancelToken& cancel) const;
  void work(Run& run, bool reports) const;

  EncoderSpec spec_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Layers> layers_;
  std::unique_ptr<Projection> projection_;
  HiddenRequest request_;
};

// Embeds two probe texts alone and together and checks the ids that the pooling depends on
// (METHODS D8, D10). Throws Error("selfCheckFailed").
void self_check(const EncoderModel& model, const CancelToken& cancel);

}  // namespace simgpt
