#include "tokenizer/json_fields.h"

#include <algorithm>

#include "error.h"

namespace simgpt {

JsonFields::JsonFields(JsonReader& reader, std::string path)
    : reader_(reader), path_(std::move(path)) {
  const JsonKind kind = reader.peek();
  if (kind != JsonKind::kObject) {
    reader.fail(reader.offset(),
                "expected " + object_name() + " to be an object, received " + json_kind_name(kind));
  }
  reader.begin_object();
}

bool JsonFields::next() {
  if (!reader_.next_key()) return false;
  field_ = std::string(reader_.key());
  seen_.push_back(field_);
  // No object read field by field has as many; the list of seen names stays short.
  if (seen_.size() > 64) refuse_field();
  return true;
}

bool JsonFields::is(std::string_view name) {
  if (std::find(known_.begin(), known_.end(), name) == known_.end()) known_.emplace_back(name);
  return field_ == name;
}

bool JsonFields::seen(std::string_view name) const {
  return std::find(seen_.begin(), seen_.end(), name) != seen_.end();
}

void JsonFields::require(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) {
    if (seen(name)) continue;
    reader_.fail(reader_.offset(), "expected " + object_name() + " to have the field \"" +
                                       std::string(name) + "\", received none");
  }
}

void JsonFields::refuse_field() {
  std::string list;
  for (const std::string& known : known_) list += (list.empty() ? "" : ", ") + known;
  refuse("one of the fields " + list, "this one");
}

std::string JsonFields::name() const {
  std::string field = field_.substr(0, 80);
  return path_.empty() ? field : path_ + "." + field;
}

namespace {

[[noreturn]] void fail_field(const JsonReader& reader, const std::string& code,
                             const std::string& message) {
  try {
    reader.fail(reader.offset(), message);
  } catch (const Error& error) {
    throw Error(code, error.what());
  }
}

}  // namespace

void JsonFields::refuse(const std::string& expected, const std::string& received) const {
  fail_field(reader_, "unsupported", name() + ": expected " + expected + ", received " + received);
}

void JsonFields::invalid(const std::string& expected, const std::string& received) const {
  fail_field(reader_, "tokenizerInvalid",
             name() + ": expected " + expected + ", received " + received);
}

void JsonFields::expect(JsonKind kind) {
  const JsonKind found = reader_.peek();
  if (found != kind) invalid(json_kind_name(kind), json_kind_name(found));
}

bool JsonFields::read_bool() {
  expect(JsonKind::kBool);
  return reader_.read_bool();
}

std::optional<bool> JsonFields::read_optional_bool() {
  if (reader_.try_null()) return std::nullopt;
  return read_bool();
}

std::string JsonFields::read_string() {
  expect(JsonKind::kString);
  return std::string(reader_.read_string());
}

std::optional<std::string> JsonFields::read_optional_string() {
  if (reader_.try_null()) return std::nullopt;
  return read_string();
}

int64_t JsonFields::read_integer(int64_t lowest, int64_t highest) {
  expect(JsonKind::kNumber);
  const int64_t value = reader_.read_integer();
  if (value < lowest || value > highest) {
    invalid("an integer from " + std::to_string(lowest) + " to " + std::to_string(highest),
            std::to_string(value));
  }
  return value;
}

double JsonFields::read_number() {
  expect(JsonKind::kNumber);
  return reader_.read_number();
}

void JsonFields::read_constant(bool value) {
  if (read_bool() != value) refuse(value ? "true" : "false", value ? "false" : "true");
}

void JsonFields::read_empty_string_or_null() {
  const std::optional<std::string> text = read_optional_string();
  if (text && !text->empty()) refuse("null or \"\"", quoted(*text));
}

std::optional<std::string> type_of(JsonReader reader, const std::string& name) {
  const JsonKind kind = reader.peek();
  if (kind != JsonKind::kObject) {
    reader.fail(reader.offset(),
                "expected " + name + " to be an object, received " + json_kind_name(kind));
  }
  reader.begin_object(true);
  while (reader.next_key()) {
    if (reader.key() != "type") {
      reader.skip_value();
      continue;
    }
    if (reader.peek() != JsonKind::kString) {
      reader.fail(reader.offset(), "expected " + name + ".type to be a string, received " +
                                       json_kind_name(reader.peek()));
    }
    return std::string(reader.read_string());
  }
  return std::nullopt;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 80)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      constexpr char kHex[] = "0123456789abcdef";
      out += std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      out.push_back(c);
    }
  }
  // Not in the middle of a code point.
  while (text.size() > 80 && !out.empty() &&
         (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80)
    out.pop_back();
  if (text.size() > 80 && static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
  return out + (text.size() > 80 ? "…\"" : "\"");
}

}  // namespace simgpt
