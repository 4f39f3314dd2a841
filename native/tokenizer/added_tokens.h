// Tokens found in the text itself before any model sees it: special tokens and tokens added to a
// vocabulary. Matching follows `tokenizers` 0.23: leftmost, then longest, then the flags.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/prefix_tree.h"

namespace simgpt {

struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool single_word = false;  // not next to a word character
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and the white space after it
  bool normalized = true;    // matched in the normalized text, against its own normalized content
  bool special = false;
};

// A stretch of a text: an added token, or (id -1) text that is left for the model.
struct TextPiece {
  int32_t id = -1;
  const char* begin = nullptr;
  const char* end = nullptr;
};

class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  // patterns[i] is what to look for, tokens[i] its id and flags; all patterns differ.
  AddedTokenMatcher(const std::vector<AddedToken>& tokens, const std::vector<std::string>& patterns,
                    LoadBudget& budget);

  bool empty() const { return tokens_.empty(); }
  // Cuts [begin, end) into pieces, none of them empty, appended to `pieces`.
  void split(const char* begin, const char* end, std::vector<TextPiece>& pieces) const;
  int64_t memory_bytes() const { return tree_.memory_bytes(); }

 private:
  struct Flags {
    int32_t id;
    bool single_word, lstrip, rstrip;
  };

  const char* next_candidate(const char* at, const char* end) const;

  PrefixTree tree_;  // values index tokens_
  std::vector<Flags> tokens_;
  std::array<bool, 256> first_bytes_ = {};
  int only_first_byte_ = -1;  // when every pattern begins with the same byte
};

}  // namespace simgpt
