#include "train/draw_operators.h"

#include <ATen/ATen.h>

#include "train/draws.h"

namespace simgpt {
namespace {

constexpr int64_t kLowHalf = 0xFFFF;

struct Product {
  at::Tensor high, low;
};

// The two words of words x multiplier, through halves of 16 bits: no product leaves 48 bits, so
// nothing depends on how a device's int64 overflows.
Product multiply(const at::Tensor& words, uint32_t multiplier) {
  const auto factor = static_cast<int64_t>(multiplier);
  const at::Tensor low = at::bitwise_and(words, kLowHalf).mul_(factor);
  const at::Tensor middle =
      at::bitwise_right_shift(words, 16).mul_(factor).add_(at::bitwise_right_shift(low, 16));
  return {at::bitwise_right_shift(middle, 16),
          at::bitwise_left_shift(at::bitwise_and(middle, kLowHalf), 16)
              .bitwise_or_(at::bitwise_and(low, kLowHalf))};
}

// philox4x32() of philox.h; words that are equal in all rows, or in all columns, stay narrow for as
// long as they are.
void philox(at::Tensor (&word)[4], uint64_t seed) {
  auto key_low = static_cast<uint32_t>(seed);
  auto key_high = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const Product first = multiply(word[0], kPhiloxMultiplier0);
    const Product second = multiply(word[2], kPhiloxMultiplier1);
    word[0] = at::bitwise_xor(second.high, word[1]).bitwise_xor(static_cast<int64_t>(key_low));
    word[2] = at::bitwise_xor(first.high, word[3]).bitwise_xor(static_cast<int64_t>(key_high));
    word[1] = second.low;
    word[3] = first.low;
    key_low += kPhiloxWeyl0;
    key_high += kPhiloxWeyl1;
  }
}

}  // namespace

at::Tensor draw_words(const DrawRows& rows, const DropoutKey& key, uint32_t layer, uint32_t site,
                      int64_t count) {
  const int64_t blocks = (count + 3) / 4;
  const at::TensorOptions options = rows.examples.options();
  const auto place = static_cast<int64_t>(layer << 16 | site << 8);
  at::Tensor word[4] = {at::arange(blocks, options).unsqueeze(0),
                        at::bitwise_or(rows.roles, place).unsqueeze(1), rows.examples.unsqueeze(1),
                        at::full({1, 1}, static_cast<int64_t>(key.step), options)};
  philox(word, key.seed);
  // [rows, blocks, 4]: a block's four words are its elements, in order.
  return at::stack(at::TensorList(word, 4), 2)
      .view({rows.examples.size(0), 4 * blocks})
      .narrow(1, 0, count);
}

}  // namespace simgpt
