#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "encoder/model.h"
#include "error.h"

namespace simgpt {
namespace {

// Different lengths, so that together the shorter one has a neighbour to be confused with.
constexpr std::array<std::string_view, 2> kProbes = {
    "A probe.", "Another, longer probe text that must not touch its neighbour in the batch."};

EmbedResult embed_probes(const EncoderModel& model, size_t first, size_t count,
                         const CancelToken& cancel) {
  std::string bytes;
  std::vector<uint64_t> offsets = {0};
  for (size_t i = first; i < first + count; ++i) {
    bytes += kProbes[i];
    offsets.push_back(bytes.size());
  }
  EmbedOptions options;
  options.normalize = true;
  return model.embed({bytes.data(), offsets.data(), count}, options, cancel, {});
}

// The first or last id that every text gets, whatever it says.
void check_special_id(const EncoderModel& model, bool at_end, const CancelToken& cancel) {
  std::array<int32_t, 2> ids{};
  for (size_t i = 0; i < kProbes.size(); ++i) {
    const std::array<uint64_t, 2> offsets = {0, kProbes[i].size()};
    const PackedTexts text{kProbes[i].data(), offsets.data(), 1};
    const TokenBatch bare =
        model.tokenize(text, /*truncate=*/false, /*add_special_tokens=*/false, cancel);
    const TokenBatch whole =
        model.tokenize(text, /*truncate=*/false, /*add_special_tokens=*/true, cancel);
    if (whole.token_ids.size() <= bare.token_ids.size()) {
      throw Error("selfCheckFailed", std::string("the pooling reads the ") +
                                         (at_end ? "last" : "first") + " token, but " +
                                         model.spec().tokenizer.path +
                                         " adds no special token there");
    }
    ids[i] = at_end ? whole.token_ids.back() : whole.token_ids.front();
  }
  if (ids[0] != ids[1]) {
    throw Error("selfCheckFailed", std::string("expected every text to ") +
                                       (at_end ? "end" : "begin") +
                                       " with the same special token, received ids " +
                                       std::to_string(ids[0]) + " and " + std::to_string(ids[1]));
  }
}

}  // namespace

void self_check(const EncoderModel& model, const CancelToken& cancel) {
  const auto& pooling = model.spec().pooling;
  const auto pools = [&](Pooling mode) {
    return std::ranges::find(pooling, mode) != pooling.end();
  };
  if (pools(Pooling::kCls)) check_special_id(model, /*at_end=*/false, cancel);
  if (pools(Pooling::kLastToken)) check_special_id(model, /*at_end=*/true, cancel);

  const at::Tensor together = embed_probes(model, 0, kProbes.size(), cancel).embeddings;
  // Unit rows: float32 differs by rounding alone; bfloat16 by its 8 bits through all layers.
  const double tolerance = model.spec().precision == Precision::kBfloat16 ? 2e-2 : 1e-5;
  for (size_t i = 0; i < kProbes.size(); ++i) {
    const at::Tensor alone = embed_probes(model, i, 1, cancel).embeddings;
    const double difference =
        (alone[0] - together[static_cast<int64_t>(i)]).abs().max().item<double>();
    if (!(difference <= tolerance)) {  // NaN fails too
      throw Error("selfCheckFailed",
                  "a text embedded alone and in a batch must give one vector; a probe differs by " +
                      std::to_string(difference) + ", allowed " + std::to_string(tolerance));
    }
  }
}

}  // namespace simgpt
