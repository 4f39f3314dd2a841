// Ids of recent words, one cache per worker: bounded, no allocation per word, every hit compared in
// full. An entry is one cache line; a word of more than 32 bytes or 7 ids is not kept.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "tokenizer/hash.h"

namespace simgpt {

// A word of at most 32 bytes, padded with zeros.
struct WordKey {
  static constexpr size_t kMaxBytes = 32;

  uint64_t words[4] = {0, 0, 0, 0};
  uint32_t length = 0;

  static WordKey of(const char* bytes, size_t length) {
    WordKey key;
    std::memcpy(key.words, bytes, length);
    key.length = static_cast<uint32_t>(length);
    return key;
  }
  const char* bytes() const { return reinterpret_cast<const char*>(words); }
};

class WordCache {
 public:
  static constexpr size_t kMaxIds = 7;

  struct alignas(64) Entry {
    uint64_t words[4] = {0, 0, 0, 0};
    int32_t ids[kMaxIds] = {};
    uint16_t length = 0;  // 0: free; words are never empty
    uint16_t count = 0;
  };

  WordCache() : entries_(kFirstEntries) {}

  uint64_t hash(const WordKey& key) const {
    uint64_t hash = hash_mix(key.words[0] ^ key_, key.words[1] ^ 0x9E3779B97F4A7C15u);
    if (key.length > 16) {
      hash ^= hash_mix(key.words[2] ^ 0xD6E8FEB86659FD93u, key.words[3] ^ key_);
    }
    return hash ^ key.length;
  }

  // Two places a word: its own slot and the neighbour.
  const Entry* find(const WordKey& key, uint64_t hash) const {
    const size_t slot = hash & (entries_.size() - 1);
    if (holds(entries_[slot], key)) return &entries_[slot];
    if (holds(entries_[slot ^ 1], key)) return &entries_[slot ^ 1];
    return nullptr;
  }

  void insert(const WordKey& key, uint64_t hash, const int32_t* ids, size_t count) {
    if (++inserted_ > entries_.size() / 2 && entries_.size() < kMostEntries) grow();
    Entry& entry = place(hash);
    std::memcpy(entry.words, key.words, sizeof(entry.words));
    std::memcpy(entry.ids, ids, count * sizeof(int32_t));
    entry.length = static_cast<uint16_t>(key.length);
    entry.count = static_cast<uint16_t>(count);
  }

  int64_t memory_bytes() const { return static_cast<int64_t>(entries_.size() * sizeof(Entry)); }

 private:
  static constexpr size_t kFirstEntries = 512;   // 32 KB: a single short text pays little
  static constexpr size_t kMostEntries = 32768;  // 2 MB

  static bool holds(const Entry& entry, const WordKey& key) {
    return ((entry.words[0] ^ key.words[0]) | (entry.words[1] ^ key.words[1]) |
            (entry.words[2] ^ key.words[2]) | (entry.words[3] ^ key.words[3]) |
            (entry.length ^ key.length)) == 0;
  }

  Entry& place(uint64_t hash) {
    const size_t slot = hash & (entries_.size() - 1);
    if (entries_[slot].length == 0) return entries_[slot];
    if (entries_[slot ^ 1].length == 0) return entries_[slot ^ 1];
    return entries_[(hash >> 40 & 1) ? slot ^ 1 : slot];
  }

  void grow() {
    std::vector<Entry> old(entries_.size() * 2);
    old.swap(entries_);
    inserted_ = 0;
    for (const Entry& entry : old) {
      if (entry.length == 0) continue;
      const WordKey key = WordKey::of(reinterpret_cast<const char*>(entry.words), entry.length);
      place(hash(key)) = entry;
      ++inserted_;
    }
  }

  std::vector<Entry> entries_;
  size_t inserted_ = 0;
  uint64_t key_ = hash_key();
};

}  // namespace simgpt
