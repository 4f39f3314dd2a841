// A strict, bounded JSON reader (RFC 8259): the caller pulls one value after the other, nothing is
// kept but the open containers, so memory stays flat however large the text.
//
//   JsonReader reader(text, {.source = path, .code = "fileInvalid"});
//   reader.begin_object();
//   while (reader.next_key()) {
//     if (reader.key() == "shape") { reader.begin_array(); while (reader.next_element()) ... }
//     else reader.skip_value();
//   }
//   reader.finish();
//
// Refused, always with the byte offset: bad UTF-8, control characters in strings, lone surrogates,
// numbers outside the grammar, trailing bytes, nesting and strings beyond the limits.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace simgpt {

enum class JsonKind { kObject, kArray, kString, kNumber, kBool, kNull };

const char* json_kind_name(JsonKind kind);  // "an object", "a string", ...

struct JsonOptions {
  std::string source;                // named first in every error, usually the path
  std::string code = "fileInvalid";  // code of the errors
  size_t max_bytes = 16u << 20;      // of the whole text
  size_t max_depth = 64;             // open containers
  size_t max_string_bytes = std::numeric_limits<size_t>::max();  // of one decoded string or key
  bool reject_duplicate_keys = true;  // costs 16 bytes a key while its object is open
};

class JsonReader {
 public:
  JsonReader(std::string_view text, JsonOptions options);  // keeps the view, not the bytes

  JsonKind peek();  // kind of the next value

  // unchecked_keys: duplicates in this object are the caller's to find.
  void begin_object(bool unchecked_keys = false);
  bool next_key();  // true: key() holds the next member's key and its value comes next
  void begin_array();
  bool next_element();  // true: an element comes next

  // A view of the text, or of a buffer that the next string or key overwrites.
  std::string_view read_string();
  std::string_view key() const { return key_; }
  int64_t read_integer();  // an integer literal within int64; 1.0 and 1e3 are refused
  double read_number();
  bool read_bool();
  void read_null();
  bool try_null();  // reads null if that is what comes next
  // Checked as strictly as a value that is read. unchecked_keys: duplicates in it are not looked
  // for, because it will be read again.
  void skip_value(bool unchecked_keys = false);
  void finish();  // after the one top-level value: nothing but whitespace may follow

  // A reader of the value at `offset` of the same text, for a member that is to be read later.
  JsonReader reader_at(size_t offset) const;

  const std::string& source() const { return options_.source; }
  size_t offset() const { return position_; }
  size_t value_offset() const { return value_offset_; }  // where the last value or key began

  // Error(options.code) that names source and byte: "<source>: byte <offset>: <message>".
  [[noreturn]] void fail(size_t offset, const std::string& message) const;

 private:
  struct KeyPlace {
    uint64_t begin : 47;  // of the raw key, after its quote
    uint64_t escaped : 1;
    uint64_t unused : 16;
    uint64_t length;
  };
  struct Container {
    bool is_object;
    bool check_keys;
    bool any;  // a member or element was read
    std::vector<KeyPlace> keys;
  };

  void skip_space();
  [[noreturn]] void fail_expected(const std::string& expected) const;
  std::string describe_here() const;
  void before_value();
  void enter(bool is_object, bool check_keys);
  bool advance(char close);  // past a comma or the closing bracket; false when closed
  void check_duplicates(Container& object);
  std::string key_text(const KeyPlace& place) const;
  std::string_view scan_string(std::string& buffer, KeyPlace* place);
  void check_string_bytes(size_t bytes, size_t begin) const;
  size_t check_utf8(size_t at) const;  // length of the sequence at `at`
  uint32_t read_escape_unit(size_t at) const;
  void append_escape(std::string& buffer);
  std::string_view scan_number(bool& integer);
  void expect_word(const char* word);

  std::string_view text_;
  JsonOptions options_;
  size_t position_ = 0;
  size_t value_offset_ = 0;
  std::vector<Container> open_;
  std::string_view key_;
  std::string key_buffer_;
  std::string string_buffer_;
};

// One code point as UTF-8; also used by the tokenizer's tables.
void append_utf8(std::string& out, uint32_t code_point);

}  // namespace simgpt
