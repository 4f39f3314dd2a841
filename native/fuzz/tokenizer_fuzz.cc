// Mutations of small tokenizer.json files of both kinds, loaded and then run on a hostile text.
// Promises checked: no crash, only simgpt::Error, memory within 4 MiB for files of a few KB, ids
// within max_id, lengths that add up, the same ids on one thread and on two.
#include <algorithm>
#include <cstdio>

#include "driver.h"
#include "error.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

namespace simgpt::fuzz {
namespace {

constexpr int64_t kAllowedBytes = 4 << 20;

const std::vector<std::string> kValues = {"null",
                                          "true",
                                          "false",
                                          "0",
                                          "-1",
                                          "1.0",
                                          "1e3",
                                          "7",
                                          "100",
                                          "4294967295",
                                          "3999999",
                                          "99999999999999999999",
                                          "\"\"",
                                          "\"a\"",
                                          "\"\\u0120a\"",
                                          "\"\\ud800\"",
                                          "\"[CLS]\"",
                                          "[]",
                                          "{}",
                                          "[[]]",
                                          "[0]",
                                          "\"BPE\"",
                                          "\"WordPiece\"",
                                          "\"Unigram\"",
                                          "[\"a\",\"b\"]",
                                          "\"a b\"",
                                          "{\"type\":\"ByteLevel\"}",
                                          "{\"a\":1,\"a\":2}"};

std::string added_token(const std::string& id, const char* content, Random& random) {
  const auto flag = [&] { return random.once_in(3) ? "true" : "false"; };
  return "{\"id\":" + id + ",\"content\":\"" + content + "\",\"single_word\":" + flag() +
         ",\"lstrip\":" + flag() + ",\"rstrip\":" + flag() + ",\"normalized\":" + flag() +
         ",\"special\":" + flag() + "}";
}

std::string wordpiece_json(Random& random) {
  const auto flag = [&] { return random.once_in(2) ? "true" : "false"; };
  std::string vocab = "\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2";
  int id = 3;
  for (const char* token :
       {"a", "b", "##a", "##b", "ab", "##ab", "e", "##e", "aaaa", "\\u4f60", "!"}) {
    vocab += ",\"" + std::string(token) + "\":" + std::to_string(id++);
  }
  return "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[" +
         added_token("1", "[CLS]", random) + "," + added_token(std::to_string(id), "A b", random) +
         "],\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":" + flag() +
         ",\"handle_chinese_chars\":" + flag() +
         ",\"strip_accents\":" + (random.once_in(2) ? "null" : flag()) +
         ",\"lowercase\":" + flag() +
         "},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"post_processor\":{\"type\":"
         "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[CLS]\",\"type_id\":0}},"
         "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"[CLS]\":"
         "{\"id\":\"[CLS]\",\"ids\":[1],\"tokens\":[\"[CLS]\"]}}},\"decoder\":null,\"model\":{"
         "\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##\","
         "\"max_input_chars_per_word\":" +
         std::to_string(random.below(200)) + ",\"vocab\":{" + vocab + "}}}";
}

std::string byte_level_json(Random& random) {
  const auto flag = [&] { return random.once_in(2) ? "true" : "false"; };
  std::string vocab = "\"<s>\":0,\"</s>\":1";
  int id = 2;
  for (const char32_t c : byte_characters()) {
    if (random.once_in(40)) continue;
    char bytes[4];
    std::string text(bytes, static_cast<size_t>(unicode::encode(c, bytes) - bytes));
    if (text == "\"" || text == "\\") text.insert(0, 1, '\\');
    vocab += ",\"" + text + "\":" + std::to_string(id++);
  }
  for (const char* token : {"ab", "abab", "\\u0120a", "aa", "aaaa"}) {
    vocab += ",\"" + std::string(token) + "\":" + std::to_string(id++);
  }
  const char* merges = random.once_in(2)
                           ? "[\"a b\",\"ab ab\",\"\\u0120 a\",\"a a\",\"aa aa\"]"
                           : "[[\"a\",\"a\"],[\"aa\",\"aa\"],[\"\\u0120\",\"a\"],[\"a\",\"b\"]]";
  return "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[" +
         added_token("0", "<s>", random) + "," + added_token(std::to_string(id), " x", random) +
         "],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":" +
         flag() +
         ",\"trim_offsets\":true,\"use_regex\":true},\"post_processor\":{\"type\":"
         "\"RobertaProcessing\",\"sep\":[\"</s>\",1],\"cls\":[\"<s>\",0],\"trim_offsets\":true,"
         "\"add_prefix_space\":false},\"decoder\":null,\"model\":{\"type\":\"BPE\",\"dropout\":"
         "null,"
         "\"unk_token\":" +
         (random.once_in(2) ? "null" : "\"<s>\"") +
         ",\"continuing_subword_prefix\":\"\",\"end_of_word_suffix\":null,\"fuse_unk\":" + flag() +
         ",\"byte_fallback\":false,\"ignore_merges\":" + flag() + ",\"merges\":" + merges +
         ",\"vocab\":{" + vocab + "}}}";
}

// Start and end of a value: what lies between a colon, comma or bracket and the next.
void mutate_value(Random& random, std::string& text) {
  const size_t from = text.find_first_of(":[,", random.below(text.size()));
  if (from == std::string::npos) return;
  const size_t to = std::min(text.find_first_of(",]}", from + 1), text.size());
  if (random.once_in(6)) {
    text.erase(from, to - from);
  } else {
    text.replace(from + 1, to - from - 1, random.pick(kValues));
  }
}

void mutate_bytes(Random& random, std::string& text) {
  const size_t at = random.below(text.size());
  switch (random.below(4)) {
    case 0:
      text[at] = static_cast<char>(random.next());
      break;
    case 1:
      text.erase(at, 1 + random.below(30));
      break;
    case 2:
      text.insert(at, text.substr(random.below(text.size()), random.below(60)));
      break;
    case 3:
      text.insert(at, 1, "{}[],:\"\\0e-"[random.below(11)]);
      break;
  }
}

std::string hostile_text(Random& random) {
  const std::vector<std::string> parts = {"a",
                                          "ab",
                                          "aaaa",
                                          "A b",
                                          "[CLS]",
                                          "<s>",
                                          " ",
                                          "\n",
                                          "\t x",
                                          "'s",
                                          "\xcc\x81",
                                          "\xc3\x89",
                                          "\xe4\xbd\xa0",
                                          "\xed\x95\x9c",
                                          "\xf0\x9f\x98\x80",
                                          "\xff",
                                          "\xe4\xbd",
                                          "!",
                                          "_",
                                          std::string(1, '\0')};
  std::string text;
  for (size_t i = random.below(60); i > 0; --i) text += random.pick(parts);
  if (random.once_in(20)) text += std::string(random.below(5000), 'a');
  return text;
}

std::string run_texts(const Tokenizer& tokenizer, Random& random) {
  std::string bytes;
  std::vector<uint64_t> offsets = {0};
  for (size_t i = random.below(5); i > 0; --i) {
    bytes += hostile_text(random);
    offsets.push_back(bytes.size());
  }
  bytes.shrink_to_fit();
  const PackedTexts texts{bytes.data(), offsets.data(), offsets.size() - 1};
  const auto most = static_cast<int64_t>(tokenizer.special_count() + 1 + random.below(300));
  const TokenBatch batch = tokenizer.encode(texts, most, true, 1, CancelToken());
  if (batch.cu_seqlens.size() != offsets.size()) return "cu_seqlens of another size";
  if (batch.cu_seqlens.back() != static_cast<int32_t>(batch.token_ids.size())) return "ids lost";
  for (size_t i = 0; i < texts.count; ++i) {
    const int64_t length = batch.cu_seqlens[i + 1] - batch.cu_seqlens[i];
    if (length != std::min<int64_t>(most, batch.full_lengths[i])) return "a wrong length";
  }
  for (const int32_t id : batch.token_ids) {
    if (id < 0 || id > tokenizer.max_id()) return "an id beyond max_id";
  }
  const TokenBatch again = tokenizer.encode(texts, most, true, 2, CancelToken());
  return again.token_ids == batch.token_ids ? "" : "other ids the second time";
}

Outcome trial(Random& random, bool show) {
  std::string json = random.once_in(2) ? wordpiece_json(random) : byte_level_json(random);
  for (size_t edits = random.below(4); edits > 0 && !json.empty(); --edits) {
    if (random.once_in(3)) {
      mutate_bytes(random, json);
    } else {
      mutate_value(random, json);
    }
  }
  if (show) std::printf("%s\n", json.c_str());
  json.shrink_to_fit();
  reset_peak();
  const int64_t before = live_bytes();
  Outcome outcome;
  try {
    const auto tokenizer = Tokenizer::from_tokenizer_json(json, "tokenizer.json");
    outcome.accepted = true;
    outcome.problem = run_texts(*tokenizer, random);
  } catch (const Error& error) {
    if (error.code() != "tokenizerInvalid" && error.code() != "unsupported") {
      outcome.problem = "code '" + error.code() + "': " + error.what();
    }
  } catch (const std::exception& error) {
    outcome.problem = std::string("not a simgpt::Error: ") + error.what();
  }
  if (outcome.problem.empty() && peak_bytes() - before > kAllowedBytes) {
    outcome.problem = std::to_string(peak_bytes() - before) + " bytes held";
  }
  return outcome;
}

}  // namespace
}  // namespace simgpt::fuzz

int main(int count, char** arguments) {
  return simgpt::fuzz::run(count, arguments, {"tokenizer", simgpt::fuzz::trial});
}
