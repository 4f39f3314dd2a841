// A word to ids through the cache; the model is asked only for words the cache does not hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cancellation.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/id_buffer.h"
#include "tokenizer/word_cache.h"

namespace simgpt {

// Working memory of one worker; reused from text to text and from call to call.
struct Scratch {
  WordCache cache;
  IdBuffer ids;
  std::vector<TextPiece> pieces;             // of the text
  std::vector<TextPiece> normalized_pieces;  // of one of its pieces
  std::string normalized;
  std::vector<char> word;
  std::string prefixed;
};

constexpr ptrdiff_t kBytesPerPoll = 1 << 17;  // of one text; a huge word polls inside the model

template <class Model>
class WordEncoder {
 public:
  WordEncoder(const Model& model, Scratch& scratch, const CancelToken& cancel)
      : model_(model), scratch_(scratch), cancel_(cancel) {}

  void encode(const WordKey& key) {
    const uint64_t hash = scratch_.cache.hash(key);
    if (const WordCache::Entry* entry = scratch_.cache.find(key, hash)) {
      scratch_.ids.append_block<WordCache::kMaxIds>(entry->ids, entry->count);
      return;
    }
    encode_uncached(key, hash);
  }

  void encode(const char* bytes, size_t length) {
    if (length <= WordKey::kMaxBytes) return encode(WordKey::of(bytes, length));
    model_.encode_word(bytes, length, scratch_.ids, cancel_);
  }

  void push(int32_t id) { scratch_.ids.push(id); }
  Scratch& scratch() { return scratch_; }
  const Model& model() const { return model_; }

  void poll() const { cancel_.poll(); }

 private:
  __attribute__((noinline)) void encode_uncached(const WordKey& key, uint64_t hash) {
    const size_t begin = scratch_.ids.size();
    model_.encode_word(key.bytes(), key.length, scratch_.ids, cancel_);
    const size_t count = scratch_.ids.size() - begin;
    if (count > WordCache::kMaxIds) return;
    scratch_.cache.insert(key, hash, scratch_.ids.data() + begin, count);
  }

  const Model& model_;
  Scratch& scratch_;
  const CancelToken& cancel_;
};

}  // namespace simgpt
