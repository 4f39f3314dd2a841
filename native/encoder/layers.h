// The encoder layers behind one interface, with three back ends: `reference` (plain ATen, padded,
// float32 or float64, the oracle), `cpu` and `cuda` (packed rows).
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "cancellation.h"
#include "spec.h"
#include "weights.h"

namespace simgpt {

// One chunk of sequences as packed rows. `rows` may exceed the last cu_seqlen: the rows behind it
// are filler that gives the matrix products a size they have met before (see chunks.h); they belong
// to no sequence and nothing reads what becomes of them.
struct PackedRows {
  std::vector<int32_t> token_ids;   // [rows]
  std::vector<int32_t> cu_seqlens;  // [sequences + 1], first 0, last tokens
  int64_t rows = 0;

  int64_t sequences() const { return static_cast<int64_t>(cu_seqlens.size()) - 1; }
  int64_t tokens() const { return cu_seqlens.back(); }
};

// The position of every row: restarting with each sequence at the config's offset, filler rows at
// the offset. RoBERTa gives the padding token, where it stands inside a text, the padding's own
// position and does not count it, as fairseq and transformers do. Real tokens stand behind the
// prompt_length rows of a deep prompt (METHODS D18).
std::vector<int32_t> row_positions(const PackedRows& rows, const EncoderConfig& config,
                                   int64_t prompt_length);

// Which hidden states a pooling asks for, beside the last layer's.
struct HiddenRequest {
  bool first = false;        // H^(1), after the first layer
  bool before_last = false;  // H^(L-1)
  bool embedding = false;    // H^(0), before the first layer
};

struct HiddenStates {
  at::Tensor last;         // [rows, hidden]
  at::Tensor first;        // [rows, hidden], where asked for
  at::Tensor before_last;  // [rows, hidden], where asked for
  at::Tensor embedding;    // [rows, hidden], where asked for
};

class Layers {
 public:
  virtual ~Layers() = default;
  // Called from several threads at once. Polls the token several times a layer.
  virtual HiddenStates forward(const PackedRows& rows, const HiddenRequest& request,
                               const CancelToken& cancel) const = 0;
  virtual int64_t memory_bytes() const = 0;
};

std::unique_ptr<Layers> make_reference_layers(const EncoderSpec& spec, EncoderWeights weights);
// Packed rows on the CPU or, with Backend::kCuda, on the current CUDA device.
std::unique_ptr<Layers> make_packed_layers(const EncoderSpec& spec, EncoderWeights weights,
                                           const CancelToken& cancel);

}  // namespace simgpt
