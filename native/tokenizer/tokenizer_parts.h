// The tables of a loaded tokenizer. Private to tokenizer.cc and encode.cc.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "tokenizer/bert_words.h"
#include "tokenizer/bpe.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/definition.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/wordpiece.h"

namespace simgpt {

// Working memory waits here between calls, so that a call with one text finds a warm cache.
class ScratchPool {
 public:
  std::unique_ptr<Scratch> take();
  void give_back(std::unique_ptr<Scratch> scratch);
  int64_t memory_bytes() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> idle_;
};

struct Tokenizer::Parts {
  Parts(TokenizerDefinition&& definition, const std::string& path, LoadBudget& budget);

  // Ids of one text at the end of scratch.ids, specials not included.
  void encode_text(const char* begin, const char* end, const char* readable_end, Scratch& scratch,
                   const CancelToken& cancel) const;

  TokenizerDefinition definition;
  AddedTokenMatcher raw_tokens;         // looked for in the text as it is
  AddedTokenMatcher normalized_tokens;  // then in what the normalizer makes of the rest
  std::optional<WordPieceModel> wordpiece;
  std::optional<BertWords> words;             // normalizes while it cuts
  std::optional<BertWords> normalized_words;  // cuts only
  std::optional<BpeModel> bpe;
  int32_t max_id = -1;
  int64_t vocab_size = 0;
  mutable ScratchPool pool;

 private:
  void encode_wordpiece_piece(const TextPiece& piece, const char* readable_end, Scratch& scratch,
                              WordEncoder<WordPieceModel>& encoder) const;
};

}  // namespace simgpt
