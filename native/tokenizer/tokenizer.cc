#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <unordered_map>

#include "json/json.h"
#include "tokenizer/tokenizer_parts.h"

namespace simgpt {

namespace {

AddedToken special_token(const char* content, const Vocabulary& vocabulary) {
  AddedToken token;
  token.content = content;
  token.id = vocabulary.find(content);
  token.normalized = false;
  token.special = true;
  return token;
}

int32_t required_id(const char* content, const Vocabulary& vocabulary, const std::string& path) {
  const int32_t id = vocabulary.find(content);
  if (id < 0) {
    throw Error("tokenizerInvalid",
                path + ": expected the token " + content + " in the vocabulary, received none");
  }
  return id;
}

// Those of the tokens that the vocabulary has.
void add_special_tokens(std::initializer_list<const char*> contents,
                        TokenizerDefinition& definition) {
  for (const char* content : contents) {
    AddedToken token = special_token(content, definition.vocabulary);
    if (token.id >= 0) definition.added_tokens.push_back(std::move(token));
  }
}

}  // namespace

Tokenizer::Parts::Parts(TokenizerDefinition&& parsed, const std::string& path, LoadBudget& budget)
    : definition(std::move(parsed)) {
  const bool is_wordpiece = definition.kind == TokenizerKind::kWordPiece;
  const Vocabulary& vocabulary = definition.vocabulary;
  std::vector<AddedToken> raw, normalized;
  std::vector<std::string> raw_patterns, normalized_patterns;
  std::unordered_map<std::string, int32_t> pattern_ids;
  max_id = vocabulary.max_id();
  vocab_size = vocabulary.size();
  for (const AddedToken& token : definition.added_tokens) {
    max_id = std::max(max_id, token.id);
    if (vocabulary.find(token.content) < 0) ++vocab_size;
    if (!token.normalized) {
      raw.push_back(token);
      raw_patterns.push_back(token.content);
      continue;
    }
    std::string pattern = token.content;
    if (is_wordpiece) normalize_bert(definition.normalizer, token.content, pattern);
    // The reference picks one of two equal patterns at random, anew at each load.
    const auto [place, added] = pattern_ids.emplace(pattern, token.id);
    if (pattern.empty() || !added) {
      throw Error("unsupported",
                  path +
                      ": expected added tokens whose normalized texts differ and are not empty, " +
                      "received the ids " + std::to_string(place->second) + " and " +
                      std::to_string(token.id));
    }
    normalized.push_back(token);
    normalized_patterns.push_back(std::move(pattern));
  }
  raw_tokens = AddedTokenMatcher(raw, raw_patterns, budget);
  normalized_tokens = AddedTokenMatcher(normalized, normalized_patterns, budget);
  if (is_wordpiece) {
    wordpiece.emplace(vocabulary, definition.continuing_prefix, definition.unknown_id,
                      definition.max_word_characters, budget);
    words.emplace(definition.normalizer, *wordpiece);
    normalized_words.emplace(BertNormalizerOptions{false, false, false, false}, *wordpiece);
  } else {
    bpe.emplace(vocabulary, definition.merges, definition.unknown_id, definition.fuse_unknown,
                definition.whole_words, budget);
    definition.merges = {};
  }
}

Tokenizer::Tokenizer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;

std::shared_ptr<const Tokenizer> Tokenizer::from_tokenizer_json(std::string_view json,
                                                                const std::string& path) {
  LoadBudget budget(path, json.size());
  TokenizerDefinition definition = read_tokenizer_json(json, path, budget);
  return std::make_shared<const Tokenizer>(
      std::make_unique<Parts>(std::move(definition), path, budget));
}

std::shared_ptr<const Tokenizer> Tokenizer::from_wordpiece_vocab(std::string_view vocab_txt,
                                                                 const std::string& path,
                                                                 const WordPieceOptions& options) {
  LoadBudget budget(path, vocab_txt.size());
  TokenizerDefinition definition;
  Vocabulary& vocabulary = definition.vocabulary;
  read_vocab_txt(vocab_txt, path, vocabulary, budget);
  definition.unknown_id = required_id("[UNK]", vocabulary, path);
  definition.before = {required_id("[CLS]", vocabulary, path)};
  definition.after = {required_id("[SEP]", vocabulary, path)};
  add_special_tokens({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}, definition);
  definition.normalizer.lowercase = options.lowercase;
  definition.normalizer.strip_accents = options.strip_accents.value_or(options.lowercase);
  definition.normalizer.handle_chinese_chars = options.handle_chinese_chars;
  return std::make_shared<const Tokenizer>(
      std::make_unique<Parts>(std::move(definition), path, budget));
}

std::shared_ptr<const Tokenizer> Tokenizer::from_byte_level_bpe(std::string_view vocab_json,
                                                                std::string_view merges_txt,
                                                                const std::string& path,
                                                                const BpeOptions& options) {
  LoadBudget budget(path, vocab_json.size() + merges_txt.size());
  TokenizerDefinition definition;
  definition.kind = TokenizerKind::kByteLevelBpe;
  definition.add_prefix_space = options.add_prefix_space;
  Vocabulary& vocabulary = definition.vocabulary;
  JsonReader reader(vocab_json,
                    {.source = path, .code = "tokenizerInvalid", .max_bytes = kMaxFileBytes});
  read_vocab_object(reader, "the vocabulary", vocabulary, budget);
  reader.finish();
  read_merges_txt(merges_txt, path, definition, budget);
  if (options.roberta_specials) {
    definition.before = {required_id("<s>", vocabulary, path)};
    definition.after = {required_id("</s>", vocabulary, path)};
    add_special_tokens({"<s>", "<pad>", "</s>", "<unk>", "<mask>"}, definition);
    for (AddedToken& token : definition.added_tokens) token.lstrip = token.content == "<mask>";
  } else {
    add_special_tokens({"<|endoftext|>"}, definition);
  }
  return std::make_shared<const Tokenizer>(
      std::make_unique<Parts>(std::move(definition), path, budget));
}

int64_t Tokenizer::vocab_size() const { return parts_->vocab_size; }
int64_t Tokenizer::max_id() const { return parts_->max_id; }

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const {
  const int32_t id = parts_->definition.find(token);
  return id < 0 ? std::nullopt : std::optional<int32_t>(id);
}

int64_t Tokenizer::special_count() const {
  return static_cast<int64_t>(parts_->definition.before.size() + parts_->definition.after.size());
}

int64_t Tokenizer::memory_bytes() const {
  const Parts& parts = *parts_;
  return static_cast<int64_t>(sizeof(Parts)) + parts.definition.vocabulary.memory_bytes() +
         parts.raw_tokens.memory_bytes() + parts.normalized_tokens.memory_bytes() +
         (parts.wordpiece ? parts.wordpiece->memory_bytes() : 0) +
         (parts.bpe ? parts.bpe->memory_bytes() : 0) + parts.pool.memory_bytes();
}

}  // namespace simgpt
