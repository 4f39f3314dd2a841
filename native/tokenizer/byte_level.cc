#include "tokenizer/byte_level.h"

#include <bit>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "tokenizer/unicode.h"

namespace simgpt {

namespace {

constexpr uint8_t kClasses = unicode::kSpace | unicode::kLetter | unicode::kNumber;
constexpr size_t kFastBytes = 16;

// kSpace, kLetter, kNumber or 0 of the code point at `at`, which moves behind it.
inline uint8_t next_class(const char*& at, const char* end) {
  return unicode::flags(unicode::decode(at, end)) & kClasses;
}

// Behind the run of code points of class `kind` at `at`.
inline const char* run_end(const char* at, const char* end, uint8_t kind) {
  while (at < end) {
    const char* next = at;
    if (next_class(next, end) != kind) break;
    at = next;
  }
  return at;
}

const char* contraction_end(const char* at, const char* end) {
  const auto follows = [&](const char* text, ptrdiff_t length) {
    return end - at > length && std::memcmp(at + 1, text, static_cast<size_t>(length)) == 0;
  };
  for (const char* one : {"s", "t", "m", "d"}) {
    if (follows(one, 1)) return at + 2;
  }
  for (const char* two : {"re", "ve", "ll"}) {
    if (follows(two, 2)) return at + 3;
  }
  return nullptr;
}

// White space that no word takes along: all but the last code point of a run, unless the text ends
// or the run is a single one.
const char* space_end(const char* at, const char* end) {
  const char* last = at;
  const char* next = at;
  while (next < end) {
    const char* after = next;
    if (next_class(after, end) != unicode::kSpace) break;
    last = next;
    next = after;
  }
  return next == end || last == at ? next : last;
}

#if defined(__SSE2__)
// Letters of ASCII from `at` on: up to 16 of them. Reads 16 bytes.
inline uint32_t letter_run(const char* at) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
  const __m128i letters = _mm_and_si128(_mm_cmpgt_epi8(folded, _mm_set1_epi8('a' - 1)),
                                        _mm_cmpgt_epi8(_mm_set1_epi8('z' + 1), folded));
  return static_cast<uint32_t>(
      std::countr_zero(static_cast<uint32_t>(~_mm_movemask_epi8(letters))));
}

inline void load_key(const char* at, uint32_t length, WordKey& key) {
  alignas(16) static constexpr char kMasks[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                  -1, -1, -1, -1, -1, -1, -1, -1};
  const __m128i keep = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kMasks + 16 - length));
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(key.words), _mm_and_si128(bytes, keep));
  key.length = length;
}
#else
inline uint32_t letter_run(const char* at) {
  uint32_t length = 0;
  for (; length < kFastBytes; ++length) {
    const char folded = static_cast<char>(at[length] | 0x20);
    if (folded < 'a' || folded > 'z') break;
  }
  return length;
}

inline void load_key(const char* at, uint32_t length, WordKey& key) {
  key.words[0] = key.words[1] = 0;
  std::memcpy(key.words, at, length);
  key.length = length;
}
#endif

// A word of ASCII letters, with or without a space before it, of at most 16 bytes: its length, or 0
// when it is another kind of word. at + 17 bytes are readable.
inline uint32_t ascii_word(const char* at, const char* end) {
  const uint32_t space = *at == ' ';
  const auto left = static_cast<size_t>(end - at) - space;
  uint32_t letters = letter_run(at + space);
  if (letters >= left) {
    letters = static_cast<uint32_t>(left);
  } else if (letters < kFastBytes && static_cast<unsigned char>(at[space + letters]) >= 128) {
    return 0;  // perhaps a letter
  }
  const uint32_t length = space + letters;
  return letters > 0 && letters < kFastBytes && length <= kFastBytes ? length : 0;
}

}  // namespace

const char* byte_level_word_end(const char* at, const char* end) {
  if (*at == '\'') {
    if (const char* stop = contraction_end(at, end)) return stop;
  }
  const char* next = at;
  uint8_t kind = next_class(next, end);
  if (*at == ' ' && next < end) {
    const char* after = next;
    kind = next_class(after, end);
    next = after;
  }
  if (kind == unicode::kSpace) return space_end(at, end);
  return run_end(next, end, kind);
}

void encode_byte_level(const char* at, const char* end, const char* readable_end,
                       bool add_prefix_space, WordEncoder<BpeModel>& encoder) {
  if (add_prefix_space && *at != ' ') {
    std::string& prefixed = encoder.scratch().prefixed;
    prefixed.assign(1, ' ');
    prefixed.append(at, static_cast<size_t>(end - at));
    at = prefixed.data();
    end = readable_end = at + prefixed.size();
  }
  const char* const fast_end =
      readable_end - at <= static_cast<ptrdiff_t>(kFastBytes) ? at : readable_end - kFastBytes;
  WordKey key;
  const char* poll_at = at + kBytesPerPoll;
  while (at < end) {
    if (at >= poll_at) {
      encoder.poll();
      poll_at = at + kBytesPerPoll;
    }
    const uint32_t length = at < fast_end ? ascii_word(at, end) : 0;
    if (length > 0) {
      load_key(at, length, key);
      encoder.encode(key);
      at += length;
      continue;
    }
    const char* stop = byte_level_word_end(at, end);
    encoder.encode(at, static_cast<size_t>(stop - at));
    at = stop;
  }
}

}  // namespace simgpt
