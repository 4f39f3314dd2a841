#include "encoder/layers.h"

namespace simgpt {

std::vector<int32_t> row_positions(const PackedRows& rows, const EncoderConfig& config,
                                   int64_t prompt_length) {
  const auto offset = static_cast<int32_t>(config.position_offset + prompt_length);
  const bool skips_padding = config.model_type == ModelType::kRoberta;
  std::vector<int32_t> positions(static_cast<size_t>(rows.rows), offset);
  for (int64_t i = 0; i < rows.sequences(); ++i) {
    int32_t next = offset;
    for (int32_t row = rows.cu_seqlens[i]; row < rows.cu_seqlens[i + 1]; ++row) {
      const bool padding = skips_padding && rows.token_ids[row] == config.pad_token_id;
      positions[row] = padding ? static_cast<int32_t>(config.pad_token_id) : next++;
    }
  }
  return positions;
}

}  // namespace simgpt
