// What a tokenizer is, as read from its files and before its tables are built.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/added_tokens.h"
#include "tokenizer/bert_normalizer.h"
#include "tokenizer/bpe.h"
#include "tokenizer/vocabulary.h"

namespace simgpt {

enum class TokenizerKind { kWordPiece, kByteLevelBpe };

struct TokenizerDefinition {
  TokenizerKind kind = TokenizerKind::kWordPiece;
  Vocabulary vocabulary;
  std::vector<AddedToken> added_tokens;
  std::vector<int32_t> before, after;  // ids a template puts around each text

  // WordPiece
  BertNormalizerOptions normalizer;
  std::string continuing_prefix = "##";
  uint64_t max_word_characters = 100;

  // byte-level BPE
  std::vector<BpeMerge> merges;
  bool add_prefix_space = false;
  bool fuse_unknown = false;
  bool whole_words = false;

  int32_t unknown_id = -1;

  // Added tokens first, as the reference looks them up.
  int32_t find(std::string_view token) const {
    for (const AddedToken& added : added_tokens) {
      if (added.content == token) return added.id;
    }
    return vocabulary.find(token);
  }
};

// The fast tokenizers' one JSON file. Strict: a field or value this code does not implement exactly
// is refused by name. Errors: tokenizerInvalid (malformed), unsupported (well-formed, not ours).
TokenizerDefinition read_tokenizer_json(std::string_view json, const std::string& path,
                                        LoadBudget& budget);

// `vocab.txt`: one token a line, ids from 0; of equal lines the last counts.
void read_vocab_txt(std::string_view text, const std::string& path, Vocabulary& vocabulary,
                    LoadBudget& budget);

// A flat JSON object of token to id, at the reader.
class JsonReader;
void read_vocab_object(JsonReader& reader, const std::string& name, Vocabulary& vocabulary,
                       LoadBudget& budget);

// `merges.txt`: two tokens a line, the first line perhaps "#version: ...".
void read_merges_txt(std::string_view text, const std::string& path,
                     TokenizerDefinition& definition, LoadBudget& budget);

// Adds one merge of two tokens of the vocabulary; `where` begins the message of an error.
void add_merge(std::string_view left, std::string_view right, const std::string& where,
               TokenizerDefinition& definition);
// The two halves of "left right"; Error where there are not exactly two.
void add_merge(std::string_view line, const std::string& where, TokenizerDefinition& definition);

}  // namespace simgpt
