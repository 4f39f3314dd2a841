// The sequences of one pass in the order they are computed in, cut into groups that one thread
// takes through the layers. A function of the lengths alone.
#pragma once

#include <cstdint>
#include <vector>

#include "encoder/layers.h"
#include "train/draws.h"
#include "train/trainable.h"

namespace simgpt {

struct PassSequence {
  int64_t row = 0, length = 0;
  uint32_t example = 0;
  uint8_t role = 0;
  int64_t kept = 0;  // where its attention probabilities begin, in every layer's buffer
};

struct PassGroup {
  int64_t first = 0, end = 0;  // its sequences
  int64_t row = 0, rows = 0;
  int64_t kept = 0, kept_numbers = 0;
};

struct PassRows {
  PackedRows packed;  // without filler rows
  std::vector<int32_t> positions;
  std::vector<PassSequence> sequences;  // none is empty
  std::vector<PassGroup> groups;
  int64_t kept_numbers = 0;  // attention probabilities of all sequences, a layer
  int64_t longest = 0;
};

// sequences: which of `rows`, in the order of the pass.
PassRows arrange_rows(const TrainRows& rows, const std::vector<int64_t>& sequences,
                      const TrainSpec& spec);

// Throws RangeError-kind where ids, lengths or counts do not fit the model.
void check_rows(const TrainRows& rows, const TrainSpec& spec);

// Which masks a pass draws: none in evaluation mode.
struct PassDraws {
  std::optional<DropoutKey> key;
  uint32_t first_site = 0;  // 0, or kMlmPass

  // threshold 0, which drops nothing, where there is no key or p is 0
  Dropout dropout(const PassSequence& sequence, int64_t layer, uint32_t site, double p) const;
};

}  // namespace simgpt
