// BERT's text clean-up, one code point at a time: controls out, white space to spaces, ideographs
// set apart, accents off, lower case; in this order, as `tokenizers` 0.23 does it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/unicode.h"

namespace simgpt {

struct BertNormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;  // already resolved: a null in a file means "as lowercase"
  bool lowercase = true;

  bool changes_nothing() const {
    return !clean_text && !handle_chinese_chars && !strip_accents && !lowercase;
  }
};

// Sink: put(char32_t) takes the normalized code points. finish() after the last one.
template <class Sink>
class BertNormalizer {
 public:
  BertNormalizer(const BertNormalizerOptions& options, Sink& sink)
      : options_(options), sink_(sink) {}

  void put(char32_t c) {
    const uint8_t flags = unicode::flags(c);
    if (options_.clean_text) {
      if (flags & unicode::kControl) return;
      if (flags & unicode::kSpace) return put_clean(' ', unicode::flags(' '));
    }
    if (options_.handle_chinese_chars && unicode::is_cjk(c)) {
      put_clean(' ', unicode::flags(' '));
      put_clean(c, flags);
      put_clean(' ', unicode::flags(' '));
      return;
    }
    put_clean(c, flags);
  }

  // True while marks wait for a starter: the sink has not seen everything yet.
  bool pending() const { return !marks_.empty(); }

  void finish() {
    if (marks_.empty()) return;
    std::stable_sort(marks_.begin(), marks_.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& mark : marks_) put_stripped(mark.second);
    marks_.clear();
  }

 private:
  void put_clean(char32_t c, uint8_t flags) {
    if (!options_.strip_accents) return put_stripped(c);
    char32_t hangul[3];
    if (const int parts = unicode::decompose_hangul(c, hangul)) {
      for (int i = 0; i < parts; ++i) put_decomposed(hangul[i], unicode::flags(hangul[i]), 0);
      return;
    }
    if (!(flags & unicode::kMapped)) return put_decomposed(c, flags, 0);
    const unicode::CharacterMapping& mapping = unicode::mapping(c);
    if (mapping.count == 0) return put_decomposed(c, flags, mapping.mark_order);
    for (int i = 0; i < mapping.count; ++i) {
      const char32_t part = unicode::decompositions()[mapping.begin + i];
      put_decomposed(part, unicode::flags(part), unicode::mapping(part).mark_order);
    }
  }

  // Dropping a mark before the marks are put in order or after gives the same text, as long as a
  // dropped starter still ends the run that is ordered.
  void put_decomposed(char32_t c, uint8_t flags, uint8_t mark_order) {
    if (mark_order == 0) finish();
    if (flags & unicode::kMark) return;
    if (mark_order != 0) {
      marks_.emplace_back(mark_order, c);
    } else {
      put_stripped(c);
    }
  }

  void put_stripped(char32_t c) {
    if (!options_.lowercase || !(unicode::flags(c) & unicode::kMapped)) return sink_.put(c);
    const char32_t lower = unicode::mapping(c).lower;
    sink_.put(lower ? lower : c);
    if (c == 0x130) sink_.put(0x307);
  }

  const BertNormalizerOptions& options_;
  Sink& sink_;
  std::vector<std::pair<uint8_t, char32_t>> marks_;  // kept marks of the open run
};

// The normalized text, into `out` (cleared first).
void normalize_bert(const BertNormalizerOptions& options, std::string_view text, std::string& out);

}  // namespace simgpt
