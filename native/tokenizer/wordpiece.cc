#include "tokenizer/wordpiece.h"

#include <algorithm>

namespace simgpt {

WordPieceModel::WordPieceModel(const Vocabulary& vocabulary, const std::string& continuing_prefix,
                               int32_t unknown_id, uint64_t max_word_characters, LoadBudget& budget)
    : unknown_id_(unknown_id), max_word_characters_(max_word_characters) {
  std::vector<std::pair<std::string_view, int32_t>> entries;
  const auto count = static_cast<size_t>(vocabulary.size());
  budget.charge(count * sizeof(entries[0]));
  entries.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (!vocabulary.token(i).empty()) entries.emplace_back(vocabulary.token(i), vocabulary.id(i));
  }
  tree_ = PrefixTree(entries, budget);
  continuing_ = tree_.walk(PrefixTree::kRoot, continuing_prefix);
}

void WordPieceModel::encode_word(const char* bytes, size_t length, IdBuffer& ids,
                                 const CancelToken& cancel) const {
  constexpr size_t kPiecesPerPoll = 4096;
  if (length > max_word_characters_) {  // more bytes; perhaps more characters
    const auto characters = std::count_if(bytes, bytes + length, [](char byte) {
      return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
    });
    if (static_cast<uint64_t>(characters) > max_word_characters_) return ids.push(unknown_id_);
  }
  const size_t begin = ids.size();
  const char* at = bytes;
  const char* const end = bytes + length;
  while (at < end) {
    const uint32_t from = at == bytes ? PrefixTree::kRoot : continuing_;
    const PrefixTree::Match match = tree_.longest(from, at, end);
    if (match.value < 0) {
      ids.truncate(begin);
      return ids.push(unknown_id_);
    }
    ids.push(match.value);
    at += match.length;
    if ((ids.size() - begin) % kPiecesPerPoll == 0) cancel.poll();
  }
}

}  // namespace simgpt
