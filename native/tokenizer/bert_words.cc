#include "tokenizer/bert_words.h"

#include <bit>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace simgpt {

namespace {

constexpr size_t kFastBytes = 16;

// The run of ASCII letters and digits at `at`, of at most `limit` bytes, in lower case if asked:
// its length (16: longer than 15), and its bytes as the key. Reads 16 bytes.
inline uint32_t alphanumeric_run(const char* at, size_t limit, bool lowercase, WordKey& key) {
#if defined(__SSE2__)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  // Signed compares: bytes above 0x7F are negative and in no range.
  const auto in_range = [](__m128i x, char low, char high) {
    return _mm_and_si128(_mm_cmpgt_epi8(x, _mm_set1_epi8(static_cast<char>(low - 1))),
                         _mm_cmpgt_epi8(_mm_set1_epi8(static_cast<char>(high + 1)), x));
  };
  const __m128i upper = in_range(bytes, 'A', 'Z');
  const __m128i letters = _mm_or_si128(upper, in_range(bytes, 'a', 'z'));
  const __m128i word = _mm_or_si128(letters, in_range(bytes, '0', '9'));
  const auto stops = static_cast<uint32_t>(~_mm_movemask_epi8(word)) |
                     1u << (limit < kFastBytes ? limit : kFastBytes);
  const uint32_t length = static_cast<uint32_t>(std::countr_zero(stops));
  if (length >= kFastBytes) return kFastBytes;
  __m128i folded = bytes;
  if (lowercase) folded = _mm_or_si128(bytes, _mm_and_si128(upper, _mm_set1_epi8(0x20)));
  alignas(16) static constexpr char kMasks[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                  -1, -1, -1, -1, -1, -1, -1, -1};
  const __m128i keep = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kMasks + 16 - length));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(key.words), _mm_and_si128(folded, keep));
  key.length = length;
  return length;
#else
  char folded[kFastBytes] = {};
  uint32_t length = 0;
  for (; length < kFastBytes && length < limit; ++length) {
    const char c = at[length];
    const char lower = static_cast<char>(c | 0x20);
    const bool letter = lower >= 'a' && lower <= 'z';
    if (!letter && !(c >= '0' && c <= '9')) break;
    folded[length] = letter && lowercase ? lower : c;
  }
  if (length >= kFastBytes) return kFastBytes;
  std::memcpy(key.words, folded, kFastBytes);
  key.length = length;
  return length;
#endif
}

// Collects normalized code points into words.
class WordSink {
 public:
  WordSink(WordEncoder<WordPieceModel>& encoder, uint64_t max_characters)
      : encoder_(encoder), word_(encoder.scratch().word), max_characters_(max_characters) {
    if (word_.size() < 64) word_.resize(64);
  }

  bool empty() const { return size_ == 0; }

  void put(char32_t c) {
    const uint8_t flags = unicode::flags(c);
    if (flags & unicode::kSpace) return flush();
    if (flags & unicode::kPunctuation) {
      flush();
      append(c);
      return flush();
    }
    append(c);
  }

  void flush() {
    if (size_ == 0) return;
    encoder_.encode(word_.data(), size_);
    size_ = 0;
    characters_ = 0;
  }

 private:
  // A word past the limit is unknown whatever follows, so its rest need not be kept.
  void append(char32_t c) {
    if (characters_ > max_characters_) return;
    ++characters_;
    if (word_.size() - size_ < 4) word_.resize(word_.size() * 2);
    size_ = static_cast<size_t>(unicode::encode(c, word_.data() + size_) - word_.data());
  }

  WordEncoder<WordPieceModel>& encoder_;
  std::vector<char>& word_;
  uint64_t max_characters_;
  size_t size_ = 0;
  uint64_t characters_ = 0;
};

struct TextSink {
  std::string& out;
  void put(char32_t c) {
    char bytes[4];
    out.append(bytes, static_cast<size_t>(unicode::encode(c, bytes) - bytes));
  }
};

}  // namespace

void normalize_bert(const BertNormalizerOptions& options, std::string_view text, std::string& out) {
  out.clear();
  TextSink sink{out};
  BertNormalizer<TextSink> normalizer(options, sink);
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) normalizer.put(unicode::decode(at, end));
  normalizer.finish();
}

BertWords::BertWords(const BertNormalizerOptions& options, const WordPieceModel& model)
    : options_(options) {
  for (char32_t c = 0; c < 128; ++c) {
    const uint8_t flags = unicode::flags(c);
    AsciiClass& kind = ascii_[c];
    kind = AsciiClass::kOther;
    if (flags & (unicode::kLetter | unicode::kNumber)) kind = AsciiClass::kAlphanumeric;
    if (flags & unicode::kSpace) kind = AsciiClass::kSpace;
    if (flags & unicode::kPunctuation) {
      kind = AsciiClass::kPunctuation;
      IdBuffer ids;
      const char byte = static_cast<char>(c);
      model.encode_word(&byte, 1, ids, CancelToken());
      punctuation_ids_[c] = ids.data()[0];
    }
    if (options.clean_text && (flags & unicode::kControl)) kind = AsciiClass::kDropped;
  }
}

void BertWords::encode(const char* at, const char* end, const char* readable_end,
                       WordEncoder<WordPieceModel>& encoder) const {
  WordSink sink(encoder, encoder.model().max_word_characters());
  BertNormalizer<WordSink> normalizer(options_, sink);
  // Bytes beyond this point are read one at a time.
  const char* const fast_end =
      readable_end - at < static_cast<ptrdiff_t>(kFastBytes) ? at : readable_end - kFastBytes + 1;
  WordKey key;
  const char* poll_at = at + kBytesPerPoll;
  while (at < end) {
    if (at >= poll_at) {
      encoder.poll();
      poll_at = at + kBytesPerPoll;
    }
    const auto byte = static_cast<unsigned char>(*at);
    if (byte >= 128) {
      normalizer.put(unicode::decode(at, end));
      continue;
    }
    // An ASCII byte is a starter: marks that wait come before it.
    if (normalizer.pending()) normalizer.finish();
    switch (ascii_[byte]) {
      case AsciiClass::kAlphanumeric: {
        if (sink.empty() && at < fast_end) {
          const uint32_t length =
              alphanumeric_run(at, static_cast<size_t>(end - at), options_.lowercase, key);
          const char* next = at + length;
          // The run is a word if an ASCII byte that parts words follows.
          if (length < kFastBytes) {
            const auto stop = next < end ? static_cast<unsigned char>(*next) : ' ';
            if (stop < 128 &&
                (ascii_[stop] == AsciiClass::kSpace || ascii_[stop] == AsciiClass::kPunctuation)) {
              encoder.encode(key);
              at = next;
              continue;
            }
          }
        }
        normalizer.put(byte);
        ++at;
        break;
      }
      case AsciiClass::kSpace:
        sink.flush();
        ++at;
        break;
      case AsciiClass::kPunctuation:
        sink.flush();
        encoder.push(punctuation_ids_[byte]);
        ++at;
        break;
      case AsciiClass::kDropped:
        ++at;
        break;
      case AsciiClass::kOther:
        normalizer.put(byte);
        ++at;
        break;
    }
  }
  normalizer.finish();
  sink.flush();
}

}  // namespace simgpt
