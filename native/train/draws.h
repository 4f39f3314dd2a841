// What a random word of a training run depends on: (seed, step, example, role, layer, site,
// element), and nothing else (PERFORMANCE 9). No chunk, padding, rank, thread or device enters, no
// mask is stored, and no generator runs. Plain functions, for the CPU and for CUDA kernels.
#pragma once

#include <cstdint>

#include "train/philox.h"

namespace simgpt {

// Where a word is used, 0 to 255, and how elements are numbered there. `row` counts within the
// sequence, S is the sequence's length, k the rows of the deep prompt.
enum DrawSite : uint32_t {
  kEmbeddingSite = 0,        // layer 0; row x hidden + column, behind the LayerNorm
  kAttentionSite = 1,        // (head x S + query) x (k + S) + key, the prompt's keys first
  kAttentionOutputSite = 2,  // row x hidden + column, before the residual is added
  kFeedForwardSite = 3,      // row x hidden + column, before the residual is added
  kPromptSite = 4,           // (keys 0, values 1) x k x hidden + prompt row x hidden + column
  // The pass of masked language modelling has masks of its own: its sites are those above + 16.
  kMlmPass = 16,
  kMlmChoiceSite = 32,  // row: is this token predicted?
  kMlmActionSite = 33,  // row: masked, replaced or kept?
  kMlmTokenSite = 34,   // row: replaced by which id?
  kInitialSite = 48,    // fresh parameters: element of the tensor; example: the tensor's number
};

// One stream of words: all elements of a site.
struct DrawStream {
  uint32_t key_low = 0, key_high = 0;  // the seed's two words
  uint32_t place = 0;                  // layer x 2^16 + site x 2^8 + role
  uint32_t example = 0;
  uint32_t step = 0;
};

SIMGPT_HOST_DEVICE DrawStream draw_stream(uint64_t seed, uint32_t step, uint32_t example,
                                          uint32_t role, uint32_t layer, uint32_t site) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32),
          layer << 16 | site << 8 | role, example, step};
}

SIMGPT_HOST_DEVICE uint32_t draw_word(const DrawStream& stream, uint64_t element) {
  const PhiloxBlock counter{
      {static_cast<uint32_t>(element / 4), stream.place, stream.example, stream.step}};
  return philox4x32(counter, stream.key_low, stream.key_high).word[element % 4];
}

// An element is dropped where its word is below this: the least integer >= p 2^32, for 0 <= p < 1.
SIMGPT_HOST_DEVICE uint32_t draw_threshold(double p) {
  const double scaled = p * 4294967296.0;
  const auto floor = static_cast<uint64_t>(scaled);
  const uint64_t threshold = static_cast<double>(floor) < scaled ? floor + 1 : floor;
  return threshold > 0xFFFFFFFFU ? 0xFFFFFFFFU : static_cast<uint32_t>(threshold);
}

// Dropout of one site: dropped elements are zero, survivors times 1 / (1 - p).
struct Dropout {
  DrawStream stream;
  uint32_t threshold = 0;  // 0: nothing is dropped
  double scale = 1;
};

}  // namespace simgpt
