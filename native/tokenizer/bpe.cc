#include "tokenizer/bpe.h"

#include <algorithm>
#include <queue>

#include "tokenizer/unicode.h"

namespace simgpt {

const std::array<char32_t, 256>& byte_characters() {
  static const std::array<char32_t, 256> characters = [] {
    std::array<char32_t, 256> table = {};
    char32_t next = 256;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool printable =
          (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      table[byte] = printable ? byte : next++;
    }
    return table;
  }();
  return characters;
}

BpeModel::BpeModel(const Vocabulary& vocabulary, const std::vector<BpeMerge>& merges,
                   int32_t unknown_id, bool fuse_unknown, bool whole_words, LoadBudget& budget)
    : unknown_id_(unknown_id),
      fuse_unknown_(fuse_unknown),
      whole_words_(whole_words ? &vocabulary : nullptr) {
  for (size_t byte = 0; byte < 256; ++byte) {
    char text[4];
    const char* end = unicode::encode(byte_characters()[byte], text);
    byte_ids_[byte] = vocabulary.find({text, static_cast<size_t>(end - text)});
  }
  size_t slots = 64;
  while (slots < merges.size() * 2) slots *= 2;
  budget.charge(slots * sizeof(Merge));
  merges_.resize(slots);
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const BpeMerge& merge = merges[rank];
    merges_[slot_of(merge.left, merge.right)] = {merge.left, merge.right,
                                                 static_cast<uint32_t>(rank), merge.merged};
  }
}

size_t BpeModel::slot_of(int32_t left, int32_t right) const {
  const size_t mask = merges_.size() - 1;
  const uint64_t pair =
      static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  size_t slot = hash_mix(pair ^ hash_key_, 0x9E3779B97F4A7C15u) & mask;
  while (merges_[slot].left >= 0 && (merges_[slot].left != left || merges_[slot].right != right)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

const BpeModel::Merge* BpeModel::find(int32_t left, int32_t right) const {
  const Merge& merge = merges_[slot_of(left, right)];
  return merge.left >= 0 ? &merge : nullptr;
}

// Symbols of the bytes; a missing one is unknown or left out, a run of them one unknown if fused.
size_t BpeModel::first_symbols(const char* bytes, size_t length, int32_t* symbols) const {
  size_t count = 0;
  bool after_unknown = false;
  for (size_t i = 0; i < length; ++i) {
    const int32_t id = byte_ids_[static_cast<unsigned char>(bytes[i])];
    const bool unknown = id < 0;
    if (!unknown) {
      symbols[count++] = id;
    } else if (unknown_id_ >= 0 && !(fuse_unknown_ && after_unknown)) {
      symbols[count++] = unknown_id_;
    }
    after_unknown = unknown;
  }
  return count;
}

int32_t BpeModel::whole_word_id(const char* bytes, size_t length) const {
  if (length > kMaxTokenBytes) return -1;
  char text[kMaxTokenBytes * 2];  // a byte's character takes at most two
  char* end = text;
  for (size_t i = 0; i < length; ++i) {
    end = unicode::encode(byte_characters()[static_cast<unsigned char>(bytes[i])], end);
  }
  return whole_words_->find({text, static_cast<size_t>(end - text)});
}

void BpeModel::encode_word(const char* bytes, size_t length, IdBuffer& ids,
                           const CancelToken& cancel) const {
  if (whole_words_) {
    const int32_t id = whole_word_id(bytes, length);
    if (id >= 0) return ids.push(id);
  }
  if (length <= kShortWord) {
    int32_t symbols[kShortWord];
    return merge_short(symbols, first_symbols(bytes, length, symbols), ids);
  }
  std::vector<int32_t> symbols(length);
  symbols.resize(first_symbols(bytes, length, symbols.data()));
  merge_long(symbols, ids, cancel);
}

// Few symbols: the best of all neighbours is found anew after each merge.
void BpeModel::merge_short(int32_t* symbols, size_t count, IdBuffer& ids) const {
  uint32_t ranks[kShortWord];  // of the merge of i and i + 1
  int32_t merged[kShortWord];  // its id
  const auto look_up = [&](size_t i) {
    const Merge* merge = find(symbols[i], symbols[i + 1]);
    ranks[i] = merge ? merge->rank : kNoMerge;
    merged[i] = merge ? merge->merged : 0;
  };
  for (size_t i = 0; i + 1 < count; ++i) look_up(i);
  while (count > 1) {
    const size_t best = static_cast<size_t>(std::min_element(ranks, ranks + count - 1) - ranks);
    if (ranks[best] == kNoMerge) break;
    symbols[best] = merged[best];
    --count;
    for (size_t i = best + 1; i < count; ++i) symbols[i] = symbols[i + 1];
    for (size_t i = best + 1; i + 1 < count; ++i) {
      ranks[i] = ranks[i + 1];
      merged[i] = merged[i + 1];
    }
    if (best > 0) look_up(best - 1);
    if (best + 1 < count) look_up(best);
  }
  ids.append(symbols, count);
}

struct BpeModel::Symbol {
  int32_t id;  // -1: merged into the symbol before it
  int32_t previous, next;
};

// Many symbols: a heap of candidate merges over a linked list, n log n whatever the word is.
void BpeModel::merge_long(const std::vector<int32_t>& symbols, IdBuffer& ids,
                          const CancelToken& cancel) const {
  constexpr uint32_t kMergesPerPoll = 1 << 16;
  struct Candidate {
    uint32_t rank;
    int32_t at;
    int32_t merged;
    bool operator<(const Candidate& other) const {  // the heap's top is the largest
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  const auto count = static_cast<int32_t>(symbols.size());
  std::vector<Symbol> list(symbols.size());
  for (int32_t i = 0; i < count; ++i) {
    list[i] = {symbols[i], i - 1, i + 1 < count ? i + 1 : -1};
  }
  std::vector<Candidate> first;
  const auto candidate = [&](int32_t at, auto&& add) {
    const int32_t next = at < 0 ? -1 : list[at].next;
    if (next < 0) return;
    const Merge* merge = find(list[at].id, list[next].id);
    if (merge) add(Candidate{merge->rank, at, merge->merged});
  };
  for (int32_t i = 0; i < count; ++i) {
    candidate(i, [&](const Candidate& c) { first.push_back(c); });
    if (i % kMergesPerPoll == 0) cancel.poll();
  }
  std::priority_queue<Candidate> heap(std::less<Candidate>(), std::move(first));
  for (uint32_t popped = 0; !heap.empty(); ++popped) {
    if (popped % kMergesPerPoll == 0) cancel.poll();
    const Candidate best = heap.top();
    heap.pop();
    Symbol& left = list[best.at];
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = list[left.next];
    const Merge* merge = find(left.id, right.id);
    if (!merge || merge->merged != best.merged) continue;  // overtaken by another merge
    left.id = best.merged;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) list[left.next].previous = best.at;
    candidate(left.previous, [&](const Candidate& c) { heap.push(c); });
    candidate(best.at, [&](const Candidate& c) { heap.push(c); });
  }
  for (int32_t i = count > 0 ? 0 : -1; i >= 0; i = list[i].next) ids.push(list[i].id);
}

}  // namespace simgpt
