// WordPiece (Schuster & Nakajima 2012; as in BERT): a word is the sequence of longest pieces of the
// vocabulary, pieces after the first carrying a prefix; a word that cannot be cut so is unknown.
#pragma once

#include <cstdint>
#include <string>

#include "cancellation.h"
#include "tokenizer/id_buffer.h"
#include "tokenizer/prefix_tree.h"
#include "tokenizer/vocabulary.h"

namespace simgpt {

class WordPieceModel {
 public:
  // max_word_characters: a longer word is unknown without being looked at.
  WordPieceModel(const Vocabulary& vocabulary, const std::string& continuing_prefix,
                 int32_t unknown_id, uint64_t max_word_characters, LoadBudget& budget);

  // Work: bytes of the word times the longest piece (at most kMaxTokenBytes).
  void encode_word(const char* bytes, size_t length, IdBuffer& ids,
                   const CancelToken& cancel) const;

  uint64_t max_word_characters() const { return max_word_characters_; }
  int64_t memory_bytes() const { return tree_.memory_bytes(); }

 private:
  PrefixTree tree_;
  uint32_t continuing_;  // node of the prefix
  int32_t unknown_id_;
  uint64_t max_word_characters_;
};

}  // namespace simgpt
