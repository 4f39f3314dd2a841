// Losses and what they compare, as JavaScript gives them (ts/native.ts: NativeLoss,
// NativeLossInputs).
#pragma once

#include <vector>

#include "../loss/loss.h"
#include "arguments.h"
#include "napi.h"

namespace simgpt {

LossSpec loss_spec_argument(Napi::Value value);

// What a loss may ask of a batch beside its embeddings. Every list is copied; those that were not
// given are empty.
struct OwnedLossInputs {
  std::vector<int32_t> owner;  // [h]
  std::vector<int32_t> group_ids, text_ids;
  OwnedNumbers row_weights, grades, teacher_scores;
  OwnedNumbers reference_anchors, reference_candidates;
  OwnedNumbers teacher_anchors, teacher_candidates;

  // A batch of n examples without its embeddings, floats as `dtype`; throws Error(kRange) where a
  // list of vectors is not n or n + h rows of one width.
  LossBatch batch(int64_t n, at::ScalarType dtype) const;
};
OwnedLossInputs loss_inputs_argument(Napi::Value value);

// [rows, columns]; undefined where there are none. Throws Error(kRange) where rows do not divide.
at::Tensor matrix_of(const OwnedNumbers& numbers, int64_t rows, const char* name);

// { value, parts: [name, value][], dLogTemperature, rowLosses }
Napi::Object to_loss_value(Napi::Env env, const LossResult& result);

}  // namespace simgpt
