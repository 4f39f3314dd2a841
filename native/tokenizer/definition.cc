#include "tokenizer/definition.h"

#include "json/json.h"
#include "tokenizer/json_fields.h"

namespace simgpt {

namespace {

[[noreturn]] void invalid(const std::string& where, const std::string& expected,
                          const std::string& received) {
  throw Error("tokenizerInvalid", where + ": expected " + expected + ", received " + received);
}

void check_token(std::string_view token, int64_t count, const std::string& where) {
  if (token.size() > kMaxTokenBytes) {
    invalid(where, "a token of at most " + std::to_string(kMaxTokenBytes) + " bytes",
            std::to_string(token.size()));
  }
  if (count >= kMaxVocabulary) {
    invalid(where, "at most " + std::to_string(kMaxVocabulary) + " tokens", "more");
  }
}

// Calls take(line, number) for each line, without its "\n" or "\r\n".
template <class Take>
void each_line(std::string_view text, Take&& take) {
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    take(line, number);
  }
}

std::string_view trim_end(std::string_view line) {
  while (!line.empty()) {
    const char* const begin = line.data();
    const char* const end = begin + line.size();
    const char32_t last = unicode::decode_last(begin, end);
    if (!(unicode::flags(last) & unicode::kSpace)) break;
    char bytes[4];
    line.remove_suffix(static_cast<size_t>(unicode::encode(last, bytes) - bytes));
  }
  return line;
}

}  // namespace

void read_vocab_txt(std::string_view text, const std::string& path, Vocabulary& vocabulary,
                    LoadBudget& budget) {
  each_line(text, [&](std::string_view line, int64_t number) {
    const std::string_view token = trim_end(line);
    check_token(token, number - 1, path + ":" + std::to_string(number));
    vocabulary.assign(token, static_cast<int32_t>(number - 1), budget);
  });
}

void read_vocab_object(JsonReader& reader, const std::string& name, Vocabulary& vocabulary,
                       LoadBudget& budget) {
  if (reader.peek() != JsonKind::kObject) {
    reader.fail(reader.offset(), "expected " + name + " to be an object of token to id, received " +
                                     json_kind_name(reader.peek()));
  }
  std::string token;
  reader.begin_object(true);
  while (reader.next_key()) {
    const size_t at = reader.value_offset();
    token = std::string(reader.key());
    if (token.size() > kMaxTokenBytes || vocabulary.size() >= kMaxVocabulary) {
      reader.fail(at, "expected at most " + std::to_string(kMaxVocabulary) + " tokens of at most " +
                          std::to_string(kMaxTokenBytes) + " bytes in " + name + ", received more");
    }
    if (reader.peek() != JsonKind::kNumber) {
      reader.fail(reader.offset(), "expected the id of " + quoted(token) + " in " + name +
                                       " to be an integer, received " +
                                       json_kind_name(reader.peek()));
    }
    const int64_t id = reader.read_integer();
    if (id < 0 || id >= kMaxVocabulary) {
      reader.fail(reader.value_offset(), "expected the id of " + quoted(token) + " in " + name +
                                             " from 0 to " + std::to_string(kMaxVocabulary - 1) +
                                             ", received " + std::to_string(id));
    }
    if (!vocabulary.insert(token, static_cast<int32_t>(id), budget)) {
      reader.fail(at,
                  "expected each token of " + name + " once, received " + quoted(token) + " twice");
    }
  }
}

void add_merge(std::string_view left, std::string_view right, const std::string& where,
               TokenizerDefinition& definition) {
  const Vocabulary& vocabulary = definition.vocabulary;
  const auto id = [&](std::string_view token) {
    const int32_t found = vocabulary.find(token);
    if (found < 0) invalid(where, "tokens of the vocabulary", quoted(token));
    return found;
  };
  const int32_t left_id = id(left);
  const int32_t right_id = id(right);
  std::string merged(left);
  merged += right;
  definition.merges.push_back({left_id, right_id, id(merged)});
}

void add_merge(std::string_view line, const std::string& where, TokenizerDefinition& definition) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
    invalid(where, "two tokens with one space between them", quoted(line));
  }
  add_merge(line.substr(0, space), line.substr(space + 1), where, definition);
}

void read_merges_txt(std::string_view text, const std::string& path,
                     TokenizerDefinition& definition, LoadBudget& budget) {
  each_line(text, [&](std::string_view line, int64_t number) {
    if (line.substr(0, 8) == "#version") return;
    const std::string where = path + ":" + std::to_string(number);
    if (static_cast<int64_t>(definition.merges.size()) >= kMaxMerges) {
      invalid(where, "at most " + std::to_string(kMaxMerges) + " merges", "more");
    }
    budget.charge(sizeof(BpeMerge) * 2);
    add_merge(line, where, definition);
  });
}

}  // namespace simgpt
