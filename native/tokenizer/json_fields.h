// Reads one JSON object field by field, so that every refusal names the field, what was expected
// and what was there.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json/json.h"

namespace simgpt {

class JsonFields {
 public:
  // path: dotted name of the object, "" at the top. Opens the object.
  JsonFields(JsonReader& reader, std::string path);

  bool next();  // to the next field; its value is read, or refused, before the next call
  bool is(std::string_view name);  // of the current field; remembers that the name is known
  bool seen(std::string_view name) const;
  void require(std::initializer_list<std::string_view> names) const;  // of fields seen; at the end
  [[noreturn]] void refuse_field();  // the current one is not known

  bool read_bool();
  std::optional<bool> read_optional_bool();
  std::string read_string();
  std::optional<std::string> read_optional_string();
  int64_t read_integer(int64_t lowest, int64_t highest);
  double read_number();
  void read_constant(bool value);    // refuses another value as unsupported
  void read_empty_string_or_null();  // likewise
  void skip() { reader_.skip_value(); }
  bool try_null() { return reader_.try_null(); }

  JsonReader& reader() { return reader_; }
  std::string name() const;  // dotted name of the current field
  std::string object_name() const { return path_.empty() ? "the file" : path_; }

  // "<field>: expected <expected>, received <received>", as unsupported or tokenizerInvalid.
  [[noreturn]] void refuse(const std::string& expected, const std::string& received) const;
  [[noreturn]] void invalid(const std::string& expected, const std::string& received) const;

 private:
  void expect(JsonKind kind);

  JsonReader& reader_;
  std::string path_;
  std::string field_;
  std::vector<std::string> seen_;
  std::vector<std::string> known_;
};

// The string member "type" of the object at the reader, which does not move; nothing if absent.
std::optional<std::string> type_of(JsonReader reader, const std::string& name);

// Text of a file, cut and escaped for an error message.
std::string quoted(std::string_view text);

}  // namespace simgpt
