#include <algorithm>
#include <unordered_set>

#include "tokenizer/json_fields.h"
#include "tokenizer/schema.h"

namespace simgpt {

namespace {

bool has_field(JsonReader reader, std::string_view name) {
  reader.begin_object(true);
  while (reader.next_key()) {
    if (reader.key() == name) return true;
    reader.skip_value(true);
  }
  return false;
}

TokenizerKind read_kind(const JsonReader& reader) {
  const std::optional<std::string> type = type_of(reader, "model");
  if (type == "WordPiece") return TokenizerKind::kWordPiece;
  if (type == "BPE") return TokenizerKind::kByteLevelBpe;
  if (!type) {
    if (has_field(reader, "vocab") && has_field(reader, "merges")) {
      return TokenizerKind::kByteLevelBpe;
    }
    const auto present = [&](const char* name) { return has_field(reader, name); };
    if (present("vocab") && present("unk_token") && present("continuing_subword_prefix") &&
        present("max_input_chars_per_word")) {
      return TokenizerKind::kWordPiece;
    }
  }
  throw Error("unsupported", reader.source() +
                                 ": expected model.type \"WordPiece\" or \"BPE\", received " +
                                 (type ? quoted(*type) : "none, and the fields of neither"));
}

int32_t find_unknown(const JsonReader& reader, const std::string& token,
                     const Vocabulary& vocabulary) {
  const int32_t id = vocabulary.find(token);
  if (id < 0) {
    reader.fail(reader.offset(),
                "expected model.unk_token to be in model.vocab, received " + quoted(token));
  }
  return id;
}

void read_wordpiece(JsonReader& reader, TokenizerDefinition& definition, LoadBudget& budget) {
  JsonFields fields(reader, "model");
  std::string unknown;
  while (fields.next()) {
    if (fields.is("type")) {
      fields.skip();
    } else if (fields.is("unk_token")) {
      unknown = fields.read_string();
    } else if (fields.is("continuing_subword_prefix")) {
      definition.continuing_prefix = fields.read_string();
    } else if (fields.is("max_input_chars_per_word")) {
      definition.max_word_characters =
          static_cast<uint64_t>(fields.read_integer(0, int64_t{1} << 53));
    } else if (fields.is("vocab")) {
      read_vocab_object(reader, "model.vocab", definition.vocabulary, budget);
    } else {
      fields.refuse_field();
    }
  }
  fields.require({"vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"});
  definition.unknown_id = find_unknown(reader, unknown, definition.vocabulary);
}

// ["a", "b"]
void read_merge_pair(JsonReader& reader, const std::string& where,
                     TokenizerDefinition& definition) {
  const size_t at = reader.offset();
  std::string tokens[2];
  size_t count = 0;
  bool strings = reader.peek() == JsonKind::kArray;
  if (strings) reader.begin_array();
  while (strings && reader.next_element()) {
    strings = count < 2 && reader.peek() == JsonKind::kString;
    if (strings) tokens[count++] = std::string(reader.read_string());
  }
  if (!strings || count != 2) {
    reader.fail(at,
                "expected " + where + " to be \"a b\" or [\"a\", \"b\"], received another value");
  }
  add_merge(tokens[0], tokens[1], reader.source() + ": " + where, definition);
}

void read_merges(JsonReader reader, TokenizerDefinition& definition, LoadBudget& budget) {
  if (reader.peek() != JsonKind::kArray) {
    reader.fail(reader.offset(), std::string("expected model.merges to be an array, received ") +
                                     json_kind_name(reader.peek()));
  }
  bool any_text = false;
  bool any_pair = false;
  reader.begin_array();
  while (reader.next_element()) {
    const size_t rank = definition.merges.size();
    if (static_cast<int64_t>(rank) >= kMaxMerges) {
      reader.fail(reader.offset(),
                  "expected at most " + std::to_string(kMaxMerges) + " merges, received more");
    }
    budget.charge(sizeof(BpeMerge) * 2);
    const std::string where = "model.merges[" + std::to_string(rank) + "]";
    const bool text = reader.peek() == JsonKind::kString;
    (text ? any_text : any_pair) = true;
    if (any_text && any_pair) {
      reader.fail(reader.offset(), "expected model.merges all as \"a b\" or all as [\"a\", \"b\"]" +
                                       std::string(", received both"));
    }
    if (text) {
      const std::string_view line = reader.read_string();
      // The reference leaves such lines out of merges that came from a merges.txt.
      if (line.substr(0, 8) != "#version")
        add_merge(line, reader.source() + ": " + where, definition);
      continue;
    }
    read_merge_pair(reader, where, definition);
  }
}

// Merges are told apart by ids, so two tokens of one id would be merged like one token.
void check_ids_differ(const JsonReader& reader, const Vocabulary& vocabulary) {
  std::vector<bool> taken(static_cast<size_t>(vocabulary.max_id()) + 1);
  for (size_t i = 0; i < static_cast<size_t>(vocabulary.size()); ++i) {
    const auto id = static_cast<size_t>(vocabulary.id(i));
    if (taken[id]) {
      throw Error("tokenizerInvalid", reader.source() +
                                          ": expected each id of model.vocab once, received " +
                                          std::to_string(id) + " twice");
    }
    taken[id] = true;
  }
}

void read_bpe(JsonReader& reader, TokenizerDefinition& definition, LoadBudget& budget) {
  JsonFields fields(reader, "model");
  std::optional<std::string> unknown;
  size_t merges_at = 0;
  while (fields.next()) {
    if (fields.is("type")) {
      fields.skip();
    } else if (fields.is("dropout")) {
      if (!fields.try_null()) {
        const double dropout = fields.read_number();
        if (dropout != 0) fields.refuse("null or 0", std::to_string(dropout));
      }
    } else if (fields.is("unk_token")) {
      unknown = fields.read_optional_string();
    } else if (fields.is("continuing_subword_prefix") || fields.is("end_of_word_suffix")) {
      fields.read_empty_string_or_null();
    } else if (fields.is("fuse_unk")) {
      definition.fuse_unknown = fields.read_bool();
    } else if (fields.is("byte_fallback")) {
      fields.read_constant(false);
    } else if (fields.is("ignore_merges")) {
      definition.whole_words = fields.read_bool();
    } else if (fields.is("vocab")) {
      read_vocab_object(reader, "model.vocab", definition.vocabulary, budget);
    } else if (fields.is("merges")) {
      merges_at = reader.offset();
      fields.skip();
    } else {
      fields.refuse_field();
    }
  }
  fields.require({"vocab", "merges"});
  check_ids_differ(reader, definition.vocabulary);
  if (unknown) definition.unknown_id = find_unknown(reader, *unknown, definition.vocabulary);
  read_merges(reader.reader_at(merges_at), definition, budget);
}

AddedToken read_added_token(JsonReader& reader, const std::string& name) {
  AddedToken token;
  JsonFields fields(reader, name);
  while (fields.next()) {
    if (fields.is("id")) {
      token.id = static_cast<int32_t>(fields.read_integer(0, kMaxVocabulary - 1));
    } else if (fields.is("content")) {
      token.content = fields.read_string();
      if (token.content.empty() || token.content.size() > kMaxTokenBytes) {
        fields.invalid("1 to " + std::to_string(kMaxTokenBytes) + " bytes",
                       std::to_string(token.content.size()));
      }
    } else if (fields.is("single_word")) {
      token.single_word = fields.read_bool();
    } else if (fields.is("lstrip")) {
      token.lstrip = fields.read_bool();
    } else if (fields.is("rstrip")) {
      token.rstrip = fields.read_bool();
    } else if (fields.is("normalized")) {
      token.normalized = fields.read_bool();
    } else if (fields.is("special")) {
      token.special = fields.read_bool();
    } else {
      fields.refuse_field();
    }
  }
  fields.require({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  return token;
}

}  // namespace

void read_model(JsonReader reader, TokenizerDefinition& definition, LoadBudget& budget) {
  definition.kind = read_kind(reader);
  if (definition.kind == TokenizerKind::kWordPiece) {
    read_wordpiece(reader, definition, budget);
  } else {
    read_bpe(reader, definition, budget);
  }
}

void read_added_tokens(JsonReader reader, TokenizerDefinition& definition, LoadBudget& budget) {
  std::vector<AddedToken>& tokens = definition.added_tokens;
  std::unordered_set<std::string> contents;
  std::unordered_set<int32_t> ids;
  const auto vocabulary_size = static_cast<int32_t>(definition.vocabulary.size());
  int32_t largest = -1;
  if (reader.peek() != JsonKind::kArray) {
    reader.fail(reader.offset(), std::string("expected added_tokens to be an array, received ") +
                                     json_kind_name(reader.peek()));
  }
  reader.begin_array();
  while (reader.next_element()) {
    const size_t at = reader.offset();
    const std::string name = "added_tokens[" + std::to_string(tokens.size()) + "]";
    if (tokens.size() >= kMaxAddedTokens) {
      reader.fail(at, "expected at most " + std::to_string(kMaxAddedTokens) +
                          " added_tokens, received more");
    }
    AddedToken token = read_added_token(reader, name);
    budget.charge(sizeof(AddedToken) + token.content.size() * 4 + 128);
    // The id the reference gives it, whatever the file says: the model's, else the next free one.
    const int32_t known = definition.vocabulary.find(token.content);
    const int32_t id = known >= 0 ? known : std::max(vocabulary_size, largest + 1);
    if (token.id != id) {
      reader.fail(at, "expected " + name + ".id of " + quoted(token.content) + " to be " +
                          std::to_string(id) + ", received " + std::to_string(token.id));
    }
    largest = std::max(largest, id);
    if (!contents.insert(token.content).second || !ids.insert(id).second) {
      reader.fail(at, "expected each added token and id once, received " + quoted(token.content) +
                          " with id " + std::to_string(id) + " again");
    }
    tokens.push_back(std::move(token));
  }
}

}  // namespace simgpt
