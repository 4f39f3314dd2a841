#include "tokenizer/added_tokens.h"

#include <algorithm>
#include <cstring>

#include "tokenizer/unicode.h"

namespace simgpt {

namespace {

bool has_flag_before(const char* begin, const char* end, uint8_t flag) {
  return begin < end && (unicode::flags(unicode::decode_last(begin, end)) & flag) != 0;
}

bool has_flag_after(const char* at, const char* end, uint8_t flag) {
  return at < end && (unicode::flags(unicode::decode(at, end)) & flag) != 0;
}

// Start of the white space that ends at `end`, not before `begin`.
const char* space_start(const char* begin, const char* end) {
  while (has_flag_before(begin, end, unicode::kSpace)) {
    --end;
    while (end > begin && (static_cast<unsigned char>(*end) & 0xC0) == 0x80) --end;
  }
  return end;
}

const char* space_end(const char* at, const char* end) {
  while (at < end) {
    const char* next = at;
    if (!(unicode::flags(unicode::decode(next, end)) & unicode::kSpace)) break;
    at = next;
  }
  return at;
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens,
                                     const std::vector<std::string>& patterns, LoadBudget& budget) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const AddedToken& token = tokens[i];
    tokens_.push_back({token.id, token.single_word, token.lstrip, token.rstrip});
    entries.emplace_back(patterns[i], static_cast<int32_t>(i));
    first_bytes_[static_cast<unsigned char>(patterns[i][0])] = true;
  }
  const auto firsts = std::count(first_bytes_.begin(), first_bytes_.end(), true);
  if (firsts == 1) only_first_byte_ = static_cast<unsigned char>(entries[0].first[0]);
  if (!entries.empty()) tree_ = PrefixTree(entries, budget);
}

const char* AddedTokenMatcher::next_candidate(const char* at, const char* end) const {
  if (only_first_byte_ >= 0) {
    const void* found = std::memchr(at, only_first_byte_, static_cast<size_t>(end - at));
    return found ? static_cast<const char*>(found) : end;
  }
  while (at < end && !first_bytes_[static_cast<unsigned char>(*at)]) ++at;
  return at;
}

void AddedTokenMatcher::split(const char* begin, const char* end,
                              std::vector<TextPiece>& pieces) const {
  const char* done = begin;       // everything before it is in a piece
  const char* space_begin = end;  // the white space walked last
  const char* space_stop = begin;
  const char* at = tokens_.empty() ? end : begin;
  while ((at = next_candidate(at, end)) < end) {
    const PrefixTree::Match match = tree_.longest(PrefixTree::kRoot, at, end);
    if (match.value < 0) {
      ++at;
      continue;
    }
    const Flags& token = tokens_[static_cast<size_t>(match.value)];
    const char* start = at;
    const char* stop = at + match.length;
    at = stop;  // the search goes on here even where white space was taken
    if (token.single_word && (has_flag_before(begin, start, unicode::kWord) ||
                              has_flag_after(stop, end, unicode::kWord))) {
      continue;
    }
    // White space that an earlier token took stays with it; a token that has none left of its own
    // is not there. Each run of white space is walked once, whatever the tokens are.
    if (token.lstrip) start = start > done ? space_start(done, start) : done;
    if (token.rstrip) {
      if (stop < space_begin || stop > space_stop) {
        space_begin = stop;
        space_stop = space_end(stop, end);
      }
      stop = space_stop;
    }
    if (start > done) pieces.push_back({-1, done, start});
    if (start < stop) pieces.push_back({token.id, start, stop});
    done = stop;
  }
  if (done < end) pieces.push_back({-1, done, end});
}

}  // namespace simgpt
