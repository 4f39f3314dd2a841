#include "train/pass_rows.h"

#include <algorithm>
#include <string>

#include "error.h"
#include "train/kernels.h"

namespace simgpt {
namespace {

// Enough rows for the matrix products, few enough that a batch of 64 pairs makes many groups.
constexpr int64_t kGroupRows = 256;

[[noreturn]] void refuse(const std::string& expected, int64_t received) {
  throw Error(ErrorKind::kRange, "expected " + expected + ", received " + std::to_string(received));
}

void cut_groups(PassRows& rows) {
  for (size_t i = 0; i < rows.sequences.size(); ++i) {
    const PassSequence& sequence = rows.sequences[i];
    if (rows.groups.empty() || rows.groups.back().rows + sequence.length > kGroupRows) {
      const auto first = static_cast<int64_t>(i);
      rows.groups.push_back({first, first, sequence.row, 0, sequence.kept, 0});
    }
    PassGroup& group = rows.groups.back();
    ++group.end;
    group.rows += sequence.length;
    group.kept_numbers =
        (i + 1 < rows.sequences.size() ? rows.sequences[i + 1].kept : rows.kept_numbers) -
        group.kept;
  }
}

}  // namespace

PassRows arrange_rows(const TrainRows& rows, const std::vector<int64_t>& sequences,
                      const TrainSpec& spec) {
  const EncoderConfig& config = spec.encoder.config;
  const TokenBatch& tokens = rows.tokens;
  PassRows pass;
  pass.packed.cu_seqlens.push_back(0);
  for (const int64_t i : sequences) {
    const int32_t begin = tokens.cu_seqlens[i], end = tokens.cu_seqlens[i + 1];
    const int64_t length = end - begin;
    pass.sequences.push_back(
        {pass.packed.rows, length, rows.example_ids[i], rows.roles[i], pass.kept_numbers});
    pass.packed.token_ids.insert(pass.packed.token_ids.end(), tokens.token_ids.begin() + begin,
                                 tokens.token_ids.begin() + end);
    pass.packed.rows += length;
    pass.packed.cu_seqlens.push_back(static_cast<int32_t>(pass.packed.rows));
    pass.kept_numbers += attention_kept(length, spec.prompt_length, config.head_count);
    pass.longest = std::max(pass.longest, length);
  }
  pass.positions = row_positions(pass.packed, config, spec.prompt_length);
  cut_groups(pass);
  return pass;
}

void check_rows(const TrainRows& rows, const TrainSpec& spec) {
  const EncoderConfig& config = spec.encoder.config;
  const auto& starts = rows.tokens.cu_seqlens;
  const auto sequences = static_cast<int64_t>(starts.size()) - 1;
  if (sequences < 1) refuse("at least one sequence", sequences);
  if (std::ssize(rows.example_ids) != sequences) {
    refuse(std::to_string(sequences) + " example ids", std::ssize(rows.example_ids));
  }
  if (std::ssize(rows.roles) != sequences) {
    refuse(std::to_string(sequences) + " roles", std::ssize(rows.roles));
  }
  if (starts.front() != 0 || starts.back() != std::ssize(rows.tokens.token_ids)) {
    refuse("cu_seqlens from 0 to the number of tokens", starts.back());
  }
  for (int64_t i = 0; i < sequences; ++i) {
    const int64_t length = starts[i + 1] - starts[i];
    if (length < 1 || length > spec.encoder.max_tokens) {
      refuse("sequences of 1 to " + std::to_string(spec.encoder.max_tokens) + " tokens", length);
    }
  }
  for (const int32_t id : rows.tokens.token_ids) {
    if (id < 0 || id >= config.vocab_size) {
      refuse("token ids from 0 to " + std::to_string(config.vocab_size - 1), id);
    }
  }
}

Dropout PassDraws::dropout(const PassSequence& sequence, int64_t layer, uint32_t site,
                           double p) const {
  if (!key || p == 0) return {};
  return {draw_stream(key->seed, key->step, sequence.example, sequence.role,
                      static_cast<uint32_t>(layer), first_site + site),
          draw_threshold(p), 1 / (1 - p)};
}

}  // namespace simgpt
