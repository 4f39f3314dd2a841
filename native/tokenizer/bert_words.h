// BERT's words: white space parts them and is dropped, every punctuation mark is a word of its own.
#pragma once

#include <array>
#include <cstdint>

#include "tokenizer/bert_normalizer.h"
#include "tokenizer/word_encoder.h"
#include "tokenizer/wordpiece.h"

namespace simgpt {

class BertWords {
 public:
  // options: all off for text that is normalized already.
  BertWords(const BertNormalizerOptions& options, const WordPieceModel& model);

  // Normalizes, cuts and encodes [begin, end). Bytes up to readable_end may be looked at.
  void encode(const char* begin, const char* end, const char* readable_end,
              WordEncoder<WordPieceModel>& encoder) const;

 private:
  enum class AsciiClass : uint8_t { kAlphanumeric, kSpace, kPunctuation, kDropped, kOther };

  BertNormalizerOptions options_;
  std::array<AsciiClass, 128> ascii_ = {};
  std::array<int32_t, 128> punctuation_ids_ = {};
};

}  // namespace simgpt
