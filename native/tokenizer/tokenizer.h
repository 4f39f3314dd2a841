// Texts to packed ids, equal to those of `tokenizers` 0.23.2. WordPiece as BERT has it, byte-level
// BPE as GPT-2 and RoBERTa have it; everything else is refused at load, by name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cancellation.h"
#include "tokenizer/token_batch.h"

namespace simgpt {

struct WordPieceOptions {
  bool lowercase = true;
  std::optional<bool> strip_accents;  // absent: as lowercase
  bool handle_chinese_chars = true;
};

struct BpeOptions {
  bool add_prefix_space = false;
  // true: <s> and </s> around each text, <pad> <unk> <mask> known in it.
  // false: nothing around it, <|endoftext|> known in it where the vocabulary has it.
  bool roberta_specials = true;
};

class Tokenizer {  // immutable after load; shared between threads
  struct Parts;

 public:
  // json: the text of a tokenizer.json; path only names it in errors.
  // Throws Error: tokenizerInvalid (malformed, beyond a limit) or unsupported (not implemented).
  static std::shared_ptr<const Tokenizer> from_tokenizer_json(std::string_view json,
                                                              const std::string& path);
  // vocab.txt: [UNK], [CLS] and [SEP] must be in it.
  static std::shared_ptr<const Tokenizer> from_wordpiece_vocab(std::string_view vocab_txt,
                                                               const std::string& path,
                                                               const WordPieceOptions& options);
  // vocab.json and merges.txt; path names the folder or the first of them.
  static std::shared_ptr<const Tokenizer> from_byte_level_bpe(std::string_view vocab_json,
                                                              std::string_view merges_txt,
                                                              const std::string& path,
                                                              const BpeOptions& options);
  explicit Tokenizer(std::unique_ptr<Parts> parts);  // for the functions above
  ~Tokenizer();

  // Order is kept. Texts of more than max_tokens (specials included) lose their end, specials stay.
  // threads >= 1; the result does not depend on it. Throws kRange where max_tokens has no room for
  // the specials, or the batch has 2^31 tokens or more; cancelled.
  TokenBatch encode(const PackedTexts& texts, int64_t max_tokens, bool add_special_tokens,
                    int threads, const CancelToken& cancel) const;

  int64_t vocab_size() const;  // tokens, added ones included
  int64_t max_id() const;      // what an embedding table must have rows for
  std::optional<int32_t> token_to_id(std::string_view token) const;
  int64_t special_count() const;  // ids put around each text
  int64_t memory_bytes() const;

 private:
  std::unique_ptr<Parts> parts_;
};

}  // namespace simgpt
