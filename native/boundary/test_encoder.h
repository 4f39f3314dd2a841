// An encoder without a model, for the test module alone: its work is a number of tiles, each of
// which takes a stated time and polls for cancellation.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "../encoder/encoder.h"

namespace simgpt {

// Process-wide, so that one environment can watch what another one's lane does.
struct TestCounters {
  std::atomic<int64_t> tiles{0};                // tiles begun
  std::atomic<int64_t> jobs{0};                 // bodies begun
  std::atomic<int64_t> live_encoders{0};        // test encoders in memory
  std::atomic<int64_t> wakes_after_closing{0};  // see faults.h
};
TestCounters& test_counters();

enum class TileWork { kSleep, kMatmul, kWrite };

// Runs `tiles` tiles of `tile_ms` each; polls before each and reports progress after each.
void run_tiles(int64_t tiles, int64_t tile_ms, TileWork work, const CancelToken& cancel,
               const ProgressFn& progress);

// What the next encoders loaded do: set from JavaScript.
struct TestEncoderSettings {
  std::atomic<int64_t> load_tiles{0};
  std::atomic<int64_t> embed_tiles{1};
  std::atomic<int64_t> tile_ms{0};
  std::atomic<int64_t> bytes{1024};
};
TestEncoderSettings& test_encoder_settings();

// Fails with `fileNotFound` where the first weights file is named "missing". embed() gives for text
// i the row [sum of its bytes, length, i, 1, 1, ...].
std::shared_ptr<const Encoder> load_test_encoder(const EncoderSpec& spec,
                                                 const CancelToken& cancel);

}  // namespace simgpt
