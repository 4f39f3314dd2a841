// The strings of the JSON reader: UTF-8 and escapes.
#include "json/json.h"

namespace simgpt {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

bool ends_plain_run(unsigned char c) { return c == '"' || c == '\\' || c < 0x20 || c >= 0x80; }

}  // namespace

void append_utf8(std::string& out, uint32_t code_point) {
  if (code_point < 0x80) {
    out.push_back(static_cast<char>(code_point));
  } else if (code_point < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (code_point >> 6)));
    out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  } else if (code_point < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (code_point >> 12)));
    out.push_back(static_cast<char>(0x80 | ((code_point >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  } else {
    out.push_back(static_cast<char>(0xF0 | (code_point >> 18)));
    out.push_back(static_cast<char>(0x80 | ((code_point >> 12) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | ((code_point >> 6) & 0x3F)));
    out.push_back(static_cast<char>(0x80 | (code_point & 0x3F)));
  }
}

void JsonReader::check_string_bytes(size_t bytes, size_t begin) const {
  if (bytes > options_.max_string_bytes) {
    fail(begin, "expected a string of at most " + std::to_string(options_.max_string_bytes) +
                    " bytes, received more");
  }
}

// At an opening quote. The common string has no escape and is returned as a view of the text.
std::string_view JsonReader::scan_string(std::string& buffer, KeyPlace* place) {
  const size_t begin = ++position_;
  bool escaped = false;
  size_t run = begin;  // start of the bytes not yet copied, once there was an escape
  for (;;) {
    while (position_ < text_.size() &&
           !ends_plain_run(static_cast<unsigned char>(text_[position_]))) {
      ++position_;
    }
    if (position_ >= text_.size()) fail_expected("a closing quote");
    const unsigned char c = static_cast<unsigned char>(text_[position_]);
    if (c == '"') break;
    if (c < 0x20) fail_expected("no control character in a string");
    if (c >= 0x80) {
      position_ += check_utf8(position_);
      continue;
    }
    if (!escaped) buffer.clear();
    escaped = true;
    buffer.append(text_.substr(run, position_ - run));
    append_escape(buffer);
    check_string_bytes(buffer.size(), begin - 1);
    run = position_;
  }
  if (place) {
    place->begin = begin;
    place->escaped = escaped;
    place->length = position_ - begin;
  }
  std::string_view result = text_.substr(begin, position_ - begin);
  if (escaped) {
    buffer.append(text_.substr(run, position_ - run));
    result = buffer;
  }
  ++position_;
  check_string_bytes(result.size(), begin - 1);
  return result;
}

size_t JsonReader::check_utf8(size_t at) const {
  const auto byte = [&](size_t i) {
    return at + i < text_.size() ? static_cast<unsigned char>(text_[at + i]) : 0u;
  };
  const unsigned lead = byte(0);
  const unsigned second = byte(1);
  size_t length = 0;
  if (lead >= 0xC2 && lead <= 0xDF) length = 2;
  // No overlong forms, no surrogates, nothing above U+10FFFF.
  if (lead >= 0xE0 && lead <= 0xEF && !(lead == 0xE0 && second < 0xA0) &&
      !(lead == 0xED && second > 0x9F)) {
    length = 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4 && !(lead == 0xF0 && second < 0x90) &&
      !(lead == 0xF4 && second > 0x8F)) {
    length = 4;
  }
  bool whole = length != 0 && at + length <= text_.size();
  for (size_t i = 1; whole && i < length; ++i) whole = is_continuation(text_[at + i]);
  if (!whole) fail(at, "expected well-formed UTF-8, received a broken sequence");
  return length;
}

uint32_t JsonReader::read_escape_unit(size_t at) const {
  uint32_t unit = 0;
  for (size_t i = 0; i < 4; ++i) {
    const char c = at + i < text_.size() ? text_[at + i] : '\0';
    const char lower = static_cast<char>(c | 0x20);
    uint32_t digit = 0;
    if (is_digit(c)) {
      digit = static_cast<uint32_t>(c - '0');
    } else if (lower >= 'a' && lower <= 'f') {
      digit = static_cast<uint32_t>(lower - 'a' + 10);
    } else {
      fail(at, "expected four hexadecimal digits after \\u, received something else");
    }
    unit = unit * 16 + digit;
  }
  return unit;
}

// At a backslash; leaves position_ after the escape.
void JsonReader::append_escape(std::string& buffer) {
  const size_t at = position_;
  const char c = at + 1 < text_.size() ? text_[at + 1] : '\0';
  position_ = at + 2;
  switch (c) {
    case '"':
    case '\\':
    case '/':
      buffer.push_back(c);
      return;
    case 'b':
      buffer.push_back('\b');
      return;
    case 'f':
      buffer.push_back('\f');
      return;
    case 'n':
      buffer.push_back('\n');
      return;
    case 'r':
      buffer.push_back('\r');
      return;
    case 't':
      buffer.push_back('\t');
      return;
    case 'u':
      break;
    default:
      fail(at, "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u, received another escape");
  }
  uint32_t unit = read_escape_unit(position_);
  position_ += 4;
  if (unit >= 0xD800 && unit <= 0xDFFF) {
    const bool low_follows = unit < 0xDC00 && text_.substr(position_, 2) == "\\u";
    const uint32_t low = low_follows ? read_escape_unit(position_ + 2) : 0;
    if (low < 0xDC00 || low > 0xDFFF) {
      fail(at, "expected a pair of surrogate escapes, received a lone one");
    }
    position_ += 6;
    unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }
  append_utf8(buffer, unit);
}

}  // namespace simgpt
