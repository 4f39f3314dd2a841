#include "test_encoder.h"

#include <ATen/ATen.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "faults.h"
#include "seeded_defects.h"

namespace simgpt {

namespace {

using Clock = std::chrono::steady_clock;

// One tile: sleeps, multiplies on LibTorch's pool, or writes to a file without a name.
void run_tile(int64_t tile_ms, TileWork work) {
  const auto end = Clock::now() + std::chrono::milliseconds(tile_ms);
  if (work == TileWork::kSleep) return std::this_thread::sleep_until(end);
  if (work == TileWork::kMatmul) {
    const at::Tensor left = at::ones({256, 256});
    do {
      at::matmul(left, left);
    } while (Clock::now() < end);
    return;
  }
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  const std::string block(64 * 1024, 'x');
  do {
    if (file) std::fwrite(block.data(), 1, block.size(), file.get());
  } while (Clock::now() < end);
}

class TestEncoder final : public Encoder {
 public:
  explicit TestEncoder(EncoderSpec spec)
      : spec_(std::move(spec)), bytes_(test_encoder_settings().bytes), held_(bytes_, 1) {
    ++test_counters().live_encoders;
  }
  ~TestEncoder() override { --test_counters().live_encoders; }

  EmbedResult embed(const PackedTexts& texts, const EmbedOptions&, const CancelToken& cancel,
                    const ProgressFn& progress) const override {
    work(cancel, progress);
    const auto count = static_cast<int64_t>(texts.count);
    EmbedResult result{at::ones({count, dimensions()}), {}, {}};
    for (int64_t i = 0; i < count; ++i) {
      double sum = 0;
      for (uint64_t at = texts.offsets[i]; at < texts.offsets[i + 1]; ++at) {
        sum += static_cast<unsigned char>(texts.bytes[at]);
      }
      const auto length = static_cast<int32_t>(texts.offsets[i + 1] - texts.offsets[i]);
      float* const row = result.embeddings.data_ptr<float>() + i * dimensions();
      row[0] = static_cast<float>(sum);
      row[1] = static_cast<float>(length);
      row[2] = static_cast<float>(i);
      result.token_counts.push_back(length);
      result.truncated.push_back(0);
    }
    return result;
  }

  EmbedResult embed_tokens(const TokenBatch& batch, const EmbedOptions&, const CancelToken& cancel,
                           const ProgressFn& progress) const override {
    work(cancel, progress);
    const auto count = static_cast<int64_t>(batch.full_lengths.size());
    return {at::ones({count, dimensions()}), batch.full_lengths,
            std::vector<uint8_t>(batch.full_lengths.size(), 0)};
  }

  // A byte is a token.
  TokenBatch tokenize(const PackedTexts& texts, bool, bool,
                      const CancelToken& cancel) const override {
    work(cancel, [](int64_t, int64_t) {});
    TokenBatch batch;
    batch.cu_seqlens.push_back(0);
    for (size_t i = 0; i < texts.count; ++i) {
      for (uint64_t at = texts.offsets[i]; at < texts.offsets[i + 1]; ++at) {
        batch.token_ids.push_back(static_cast<unsigned char>(texts.bytes[at]));
      }
      batch.cu_seqlens.push_back(static_cast<int32_t>(batch.token_ids.size()));
      batch.full_lengths.push_back(batch.cu_seqlens[i + 1] - batch.cu_seqlens[i]);
    }
    return batch;
  }

  int64_t dimensions() const override { return spec_.config.hidden_size; }
  int64_t memory_bytes() const override { return bytes_; }
  const EncoderSpec& spec() const override { return spec_; }

 private:
  void work(const CancelToken& cancel, const ProgressFn& progress) const {
    const TestEncoderSettings& settings = test_encoder_settings();
    run_tiles(settings.embed_tiles, settings.tile_ms, TileWork::kSleep, cancel, progress);
  }

  const EncoderSpec spec_;
  const int64_t bytes_;
  const std::string held_;
};

}  // namespace

TestCounters& test_counters() {
  static TestCounters counters;
  return counters;
}

TestEncoderSettings& test_encoder_settings() {
  static TestEncoderSettings settings;
  return settings;
}

void run_tiles(int64_t tiles, int64_t tile_ms, TileWork work, const CancelToken& cancel,
               const ProgressFn& progress) {
  ++test_counters().jobs;
  fault(Stage::kRun);
  for (int64_t tile = 0; tile < tiles; ++tile) {
    if constexpr (!seeded(Defect::kCancelUnseen)) cancel.poll();
    ++test_counters().tiles;
    run_tile(tile_ms, work);
    progress(tile + 1, tiles);
  }
}

std::shared_ptr<const Encoder> load_test_encoder(const EncoderSpec& spec,
                                                 const CancelToken& cancel) {
  const TestEncoderSettings& settings = test_encoder_settings();
  if (spec.weights.at(0) == "missing") throw Error("fileNotFound", "no file named missing");
  run_tiles(settings.load_tiles, settings.tile_ms, TileWork::kSleep, cancel,
            [](int64_t, int64_t) {});
  return std::make_shared<const TestEncoder>(spec);
}

}  // namespace simgpt
