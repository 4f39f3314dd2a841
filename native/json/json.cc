#include "json/json.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "error.h"

namespace simgpt {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

const char* json_kind_name(JsonKind kind) {
  switch (kind) {
    case JsonKind::kObject:
      return "an object";
    case JsonKind::kArray:
      return "an array";
    case JsonKind::kString:
      return "a string";
    case JsonKind::kNumber:
      return "a number";
    case JsonKind::kBool:
      return "true or false";
    case JsonKind::kNull:
      return "null";
  }
  return "a value";
}

JsonReader::JsonReader(std::string_view text, JsonOptions options)
    : text_(text), options_(std::move(options)) {
  if (text_.size() > options_.max_bytes) {
    throw Error(options_.code, options_.source + ": expected at most " +
                                   std::to_string(options_.max_bytes) +
                                   " bytes of JSON, received " + std::to_string(text_.size()));
  }
}

void JsonReader::fail(size_t offset, const std::string& message) const {
  throw Error(options_.code, options_.source + ": byte " + std::to_string(offset) + ": " + message);
}

std::string JsonReader::describe_here() const {
  if (position_ >= text_.size()) return "the end of the text";
  const unsigned char c = static_cast<unsigned char>(text_[position_]);
  if (c > 0x20 && c < 0x7F) return std::string("'") + static_cast<char>(c) + "'";
  constexpr char kHex[] = "0123456789abcdef";
  return std::string("byte 0x") + kHex[c >> 4] + kHex[c & 15];
}

void JsonReader::fail_expected(const std::string& expected) const {
  fail(position_, "expected " + expected + ", received " + describe_here());
}

void JsonReader::skip_space() {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    ++position_;
  }
}

void JsonReader::before_value() {
  skip_space();
  value_offset_ = position_;
}

JsonKind JsonReader::peek() {
  skip_space();
  const char c = position_ < text_.size() ? text_[position_] : '\0';
  switch (c) {
    case '{':
      return JsonKind::kObject;
    case '[':
      return JsonKind::kArray;
    case '"':
      return JsonKind::kString;
    case 't':
    case 'f':
      return JsonKind::kBool;
    case 'n':
      return JsonKind::kNull;
    default:
      if (c == '-' || is_digit(c)) return JsonKind::kNumber;
      fail_expected("a value");
  }
}

void JsonReader::enter(bool is_object, bool check_keys) {
  before_value();
  if (position_ >= text_.size() || text_[position_] != (is_object ? '{' : '[')) {
    fail_expected(is_object ? "an object" : "an array");
  }
  if (open_.size() >= options_.max_depth) {
    fail(position_,
         "expected nesting of at most " + std::to_string(options_.max_depth) + ", received more");
  }
  ++position_;
  open_.push_back({is_object, check_keys, false, {}});
}

void JsonReader::begin_object(bool unchecked_keys) {
  enter(true, options_.reject_duplicate_keys && !unchecked_keys);
}

void JsonReader::begin_array() { enter(false, false); }

bool JsonReader::advance(char close) {
  Container& container = open_.back();
  skip_space();
  if (position_ < text_.size() && text_[position_] == close) {
    if (container.is_object) check_duplicates(container);
    ++position_;
    open_.pop_back();
    return false;
  }
  if (container.any) {
    if (position_ >= text_.size() || text_[position_] != ',') {
      fail_expected(std::string("',' or '") + close + "'");
    }
    ++position_;
    skip_space();
  }
  container.any = true;
  return true;
}

bool JsonReader::next_key() {
  if (!advance('}')) return false;
  value_offset_ = position_;
  if (position_ >= text_.size() || text_[position_] != '"') fail_expected("a key in quotes");
  KeyPlace place{};
  key_ = scan_string(key_buffer_, &place);
  if (open_.back().check_keys) open_.back().keys.push_back(place);
  skip_space();
  if (position_ >= text_.size() || text_[position_] != ':') fail_expected("':'");
  ++position_;
  return true;
}

bool JsonReader::next_element() { return advance(']'); }

// Sorting finds an equal pair in n log n whatever the keys are; no hash that input could defeat.
void JsonReader::check_duplicates(Container& object) {
  if (object.keys.size() < 2) return;
  const auto compare = [this](const KeyPlace& a, const KeyPlace& b) {
    if (!a.escaped && !b.escaped) {
      return text_.substr(a.begin, a.length).compare(text_.substr(b.begin, b.length));
    }
    return key_text(a).compare(key_text(b));
  };
  std::sort(object.keys.begin(), object.keys.end(), [&](const KeyPlace& a, const KeyPlace& b) {
    const int order = compare(a, b);
    return order != 0 ? order < 0 : a.begin < b.begin;
  });
  for (size_t i = 1; i < object.keys.size(); ++i) {
    if (compare(object.keys[i - 1], object.keys[i]) != 0) continue;
    std::string name = key_text(object.keys[i]);
    if (name.size() > 80) name = name.substr(0, 80) + "…";
    fail(object.keys[i].begin - 1, "expected each key once, received \"" + name + "\" twice");
  }
}

std::string JsonReader::key_text(const KeyPlace& place) const {
  if (!place.escaped) return std::string(text_.substr(place.begin, place.length));
  JsonOptions options = options_;
  options.reject_duplicate_keys = false;
  JsonReader again(text_, std::move(options));
  again.position_ = place.begin - 1;
  std::string buffer;
  return std::string(again.scan_string(buffer, nullptr));
}

std::string_view JsonReader::read_string() {
  before_value();
  if (position_ >= text_.size() || text_[position_] != '"') fail_expected("a string");
  return scan_string(string_buffer_, nullptr);
}

std::string_view JsonReader::scan_number(bool& integer) {
  before_value();
  const auto here = [this] { return position_ < text_.size() ? text_[position_] : '\0'; };
  const auto digits = [&] {
    if (!is_digit(here())) fail_expected("a digit");
    while (is_digit(here())) ++position_;
  };
  if (here() != '-' && !is_digit(here())) fail_expected("a number");
  integer = true;
  if (here() == '-') ++position_;
  if (here() == '0') {
    ++position_;
    if (is_digit(here())) fail_expected("no digit after a leading zero");
  } else {
    digits();
  }
  if (here() == '.') {
    integer = false;
    ++position_;
    digits();
  }
  if (here() == 'e' || here() == 'E') {
    integer = false;
    ++position_;
    if (here() == '+' || here() == '-') ++position_;
    digits();
  }
  return text_.substr(value_offset_, position_ - value_offset_);
}

int64_t JsonReader::read_integer() {
  bool integer = false;
  const std::string_view literal = scan_number(integer);
  int64_t value = 0;
  const auto result = std::from_chars(literal.data(), literal.data() + literal.size(), value);
  if (!integer || result.ec != std::errc()) {
    fail(value_offset_,
         "expected a 64-bit integer, received " + std::string(literal.substr(0, 40)));
  }
  return value;
}

double JsonReader::read_number() {
  bool integer = false;
  const std::string_view literal = scan_number(integer);
  double value = 0;
  const auto result = std::from_chars(literal.data(), literal.data() + literal.size(), value);
  if (result.ec != std::errc()) {
    fail(value_offset_,
         "expected a number within double, received " + std::string(literal.substr(0, 40)));
  }
  return value;
}

void JsonReader::expect_word(const char* word) {
  const size_t length = std::strlen(word);
  if (text_.substr(position_, length) != word) fail_expected(std::string("'") + word + "'");
  position_ += length;
}

bool JsonReader::read_bool() {
  before_value();
  const char c = position_ < text_.size() ? text_[position_] : '\0';
  if (c != 't' && c != 'f') fail_expected("true or false");
  expect_word(c == 't' ? "true" : "false");
  return c == 't';
}

void JsonReader::read_null() {
  before_value();
  expect_word("null");
}

bool JsonReader::try_null() {
  skip_space();
  if (position_ >= text_.size() || text_[position_] != 'n') return false;
  read_null();
  return true;
}

// Walks with the open containers as its stack, so depth costs no call frames.
void JsonReader::skip_value(bool unchecked_keys) {
  const size_t outer = open_.size();
  do {
    switch (peek()) {
      case JsonKind::kObject:
        begin_object(unchecked_keys);
        break;
      case JsonKind::kArray:
        begin_array();
        break;
      case JsonKind::kString:
        read_string();
        break;
      case JsonKind::kNumber:
        read_number();
        break;
      case JsonKind::kBool:
        read_bool();
        break;
      case JsonKind::kNull:
        read_null();
        break;
    }
    while (open_.size() > outer && !(open_.back().is_object ? next_key() : next_element())) {
    }
  } while (open_.size() > outer);
}

JsonReader JsonReader::reader_at(size_t offset) const {
  JsonReader reader(text_, options_);
  reader.position_ = offset;
  return reader;
}

void JsonReader::finish() {
  skip_space();
  if (!open_.empty() || position_ != text_.size()) fail_expected("the end of the text");
}

}  // namespace simgpt
