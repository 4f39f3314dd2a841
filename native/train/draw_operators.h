// The random words of draws.h in integer operators: the same bits on any device that LibTorch has.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "train/trainable.h"

namespace simgpt {

// Whose streams are drawn from, one a row.
struct DrawRows {
  at::Tensor examples;  // [rows] int64, 0 to 2^32 - 1
  at::Tensor roles;     // [rows] int64, 0 to 255
};

// [rows, count] int64, 0 to 2^32 - 1: draw_word() of each row's stream for elements 0 to count - 1.
at::Tensor draw_words(const DrawRows& rows, const DropoutKey& key, uint32_t layer, uint32_t site,
                      int64_t count);

}  // namespace simgpt
