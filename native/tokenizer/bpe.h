// Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019): a word begins as one
// symbol a byte, and the neighbours that merge at the lowest rank merge first, leftmost of equals.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "cancellation.h"
#include "tokenizer/id_buffer.h"
#include "tokenizer/vocabulary.h"

namespace simgpt {

// GPT-2 writes each byte as one printable character in vocabularies; these are their code points.
const std::array<char32_t, 256>& byte_characters();

struct BpeMerge {
  int32_t left, right, merged;  // ids
};

class BpeModel {
 public:
  // merges: in rank order; the later of two for one pair counts, as in the reference.
  // unknown_id: for a byte whose character the vocabulary lacks; -1 drops the byte.
  // whole_words: a word the vocabulary holds is one id, whatever its merges give.
  BpeModel(const Vocabulary& vocabulary, const std::vector<BpeMerge>& merges, int32_t unknown_id,
           bool fuse_unknown, bool whole_words, LoadBudget& budget);

  void encode_word(const char* bytes, size_t length, IdBuffer& ids,
                   const CancelToken& cancel) const;
  int64_t memory_bytes() const { return static_cast<int64_t>(merges_.size() * sizeof(Merge)); }

 private:
  struct Merge {
    int32_t left = -1, right = -1;  // -1: free slot
    uint32_t rank = 0;
    int32_t merged = 0;
  };
  struct Symbol;

  static constexpr uint32_t kNoMerge = UINT32_MAX;
  static constexpr size_t kShortWord = 48;  // symbols that are merged on the stack, in place

  size_t slot_of(int32_t left, int32_t right) const;
  const Merge* find(int32_t left, int32_t right) const;
  size_t first_symbols(const char* bytes, size_t length, int32_t* symbols) const;
  void merge_short(int32_t* symbols, size_t count, IdBuffer& ids) const;
  void merge_long(const std::vector<int32_t>& symbols, IdBuffer& ids,
                  const CancelToken& cancel) const;
  int32_t whole_word_id(const char* bytes, size_t length) const;

  std::vector<Merge> merges_;  // open addressing, at most half full
  uint64_t hash_key_ = hash_key();
  std::array<int32_t, 256> byte_ids_;
  int32_t unknown_id_;
  bool fuse_unknown_;
  const Vocabulary* whole_words_;  // null unless whole words are looked up
};

}  // namespace simgpt
