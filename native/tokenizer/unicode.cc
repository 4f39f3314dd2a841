#include "tokenizer/unicode.h"

namespace simgpt::unicode {

namespace {

#include "tokenizer/unicode_tables.inc"

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kLastCodePoint = 0x10FFFF;
constexpr int kBlockShift = 7;
constexpr char32_t kBlockMask = (1u << kBlockShift) - 1;

bool continues(unsigned char byte) { return (byte & 0xC0) == 0x80; }

}  // namespace

uint8_t flags(char32_t c) {
  if (c > kLastCodePoint) return 0;
  return kFlagBlocks[(static_cast<uint32_t>(kFlagIndex[c >> kBlockShift]) << kBlockShift) +
                     (c & kBlockMask)];
}

const CharacterMapping& mapping(char32_t c) {
  if (c > kLastCodePoint) return kMappings[0];
  return kMappings[kMapBlocks[(static_cast<uint32_t>(kMapIndex[c >> kBlockShift]) << kBlockShift) +
                              (c & kBlockMask)]];
}

const char32_t* decompositions() { return kDecompositions; }

bool is_cjk(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) ||
         // The reference begins this block at 2B920, not at 2B820.
         (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

int decompose_hangul(char32_t c, char32_t out[3]) {
  if (c < 0xAC00 || c > 0xD7A3) return 0;
  const char32_t index = c - 0xAC00;
  out[0] = 0x1100 + index / 588;
  out[1] = 0x1161 + index % 588 / 28;
  out[2] = 0x11A7 + index % 28;
  return index % 28 == 0 ? 2 : 3;
}

char32_t decode(const char*& at, const char* end) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(at);
  const auto left = end - at;
  const char32_t lead = bytes[0];
  if (lead < 0x80) {
    ++at;
    return lead;
  }
  if (lead >= 0xC2 && lead < 0xE0 && left >= 2 && continues(bytes[1])) {
    at += 2;
    return (lead & 0x1F) << 6 | (bytes[1] & 0x3Fu);
  }
  if (lead >= 0xE0 && lead < 0xF0 && left >= 3 && continues(bytes[1]) && continues(bytes[2])) {
    const char32_t c = (lead & 0x0F) << 12 | (bytes[1] & 0x3Fu) << 6 | (bytes[2] & 0x3Fu);
    if (c >= 0x800 && (c < 0xD800 || c > 0xDFFF)) {
      at += 3;
      return c;
    }
  }
  if (lead >= 0xF0 && lead < 0xF5 && left >= 4 && continues(bytes[1]) && continues(bytes[2]) &&
      continues(bytes[3])) {
    const char32_t c = (lead & 0x07) << 18 | (bytes[1] & 0x3Fu) << 12 | (bytes[2] & 0x3Fu) << 6 |
                       (bytes[3] & 0x3Fu);
    if (c >= 0x10000 && c <= kLastCodePoint) {
      at += 4;
      return c;
    }
  }
  ++at;
  return kReplacement;
}

char* encode(char32_t c, char* out) {
  if (c < 0x80) {
    *out++ = static_cast<char>(c);
  } else if (c < 0x800) {
    *out++ = static_cast<char>(0xC0 | (c >> 6));
    *out++ = static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    *out++ = static_cast<char>(0xE0 | (c >> 12));
    *out++ = static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    *out++ = static_cast<char>(0x80 | (c & 0x3F));
  } else {
    *out++ = static_cast<char>(0xF0 | (c >> 18));
    *out++ = static_cast<char>(0x80 | ((c >> 12) & 0x3F));
    *out++ = static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    *out++ = static_cast<char>(0x80 | (c & 0x3F));
  }
  return out;
}

char32_t decode_last(const char* begin, const char* end) {
  const char* at = end - 1;
  while (at > begin && end - at < 4 && continues(static_cast<unsigned char>(*at))) --at;
  const char* after = at;
  const char32_t c = decode(after, end);
  return after == end ? c : kReplacement;
}

}  // namespace simgpt::unicode
