// tokenizer.json, from its top level down. definition.h says what is promised.
#include "tokenizer/schema.h"

#include "json/json.h"
#include "tokenizer/definition.h"
#include "tokenizer/json_fields.h"

namespace simgpt {

namespace {

constexpr int64_t kMaxSafeInteger = int64_t{1} << 53;

struct Places {  // offsets of the members that are read in an order of their own
  std::optional<size_t> added_tokens, normalizer, pre_tokenizer, post_processor, model;
};

std::string type_or_none(const std::optional<std::string>& type) {
  return type ? quoted(*type) : "none";
}

// Truncation and padding are the encoder's; the file's are checked and then not used.
void check_truncation(JsonFields& top) {
  if (top.try_null()) return;
  JsonFields fields(top.reader(), "truncation");
  while (fields.next()) {
    if (fields.is("max_length") || fields.is("stride")) {
      fields.read_integer(0, kMaxSafeInteger);
    } else if (fields.is("strategy")) {
      const std::string value = fields.read_string();
      if (value != "LongestFirst" && value != "OnlyFirst" && value != "OnlySecond") {
        fields.invalid("\"LongestFirst\", \"OnlyFirst\" or \"OnlySecond\"", quoted(value));
      }
    } else if (fields.is("direction")) {
      const std::string value = fields.read_string();
      if (value != "Right") fields.refuse("\"Right\"", quoted(value));
    } else {
      fields.refuse_field();
    }
  }
  fields.require({"max_length", "strategy", "stride"});
}

void check_padding_strategy(JsonFields& padding) {
  if (padding.reader().peek() != JsonKind::kObject) {
    const std::string value = padding.read_string();
    if (value != "BatchLongest")
      padding.invalid("\"BatchLongest\" or {\"Fixed\": n}", quoted(value));
    return;
  }
  JsonFields fields(padding.reader(), "padding.strategy");
  while (fields.next()) {
    if (!fields.is("Fixed")) fields.refuse_field();
    fields.read_integer(0, kMaxSafeInteger);
  }
  fields.require({"Fixed"});
}

void check_padding(JsonFields& top) {
  if (top.try_null()) return;
  JsonFields fields(top.reader(), "padding");
  while (fields.next()) {
    if (fields.is("strategy")) {
      check_padding_strategy(fields);
    } else if (fields.is("direction")) {
      const std::string value = fields.read_string();
      if (value != "Left" && value != "Right")
        fields.invalid("\"Left\" or \"Right\"", quoted(value));
    } else if (fields.is("pad_to_multiple_of")) {
      if (!fields.try_null()) fields.read_integer(0, kMaxSafeInteger);
    } else if (fields.is("pad_id") || fields.is("pad_type_id")) {
      fields.read_integer(0, kMaxVocabulary - 1);
    } else if (fields.is("pad_token")) {
      fields.read_string();
    } else {
      fields.refuse_field();
    }
  }
  fields.require({"strategy", "direction", "pad_id", "pad_type_id", "pad_token"});
}

Places read_top(JsonReader& reader) {
  Places places;
  JsonFields top(reader, "");
  const auto keep = [&](std::optional<size_t>& place) {
    place = reader.offset();
    reader.skip_value(true);
  };
  while (top.next()) {
    if (top.is("version")) {
      const std::string version = top.read_string();
      if (version != "1.0") top.refuse("\"1.0\"", quoted(version));
    } else if (top.is("truncation")) {
      check_truncation(top);
    } else if (top.is("padding")) {
      check_padding(top);
    } else if (top.is("added_tokens")) {
      keep(places.added_tokens);
    } else if (top.is("normalizer")) {
      keep(places.normalizer);
    } else if (top.is("pre_tokenizer")) {
      keep(places.pre_tokenizer);
    } else if (top.is("post_processor")) {
      keep(places.post_processor);
    } else if (top.is("decoder")) {
      top.skip();  // ids to text: not done here
    } else if (top.is("model")) {
      keep(places.model);
    } else {
      top.refuse_field();
    }
  }
  top.require({"version", "model"});
  reader.finish();
  return places;
}

void read_normalizer(JsonReader reader, TokenizerDefinition& definition) {
  BertNormalizerOptions& options = definition.normalizer;
  options = {false, false, false, false};
  if (reader.try_null()) return;
  const auto type = type_of(reader, "normalizer");
  const bool bert = definition.kind == TokenizerKind::kWordPiece;
  if (!bert || type != "BertNormalizer") {
    throw Error("unsupported",
                reader.source() + ": expected normalizer " +
                    (bert ? "null or of type \"BertNormalizer\" with a WordPiece model"
                          : "null with a BPE model") +
                    ", received type " + type_or_none(type));
  }
  std::optional<bool> strip_accents;
  JsonFields fields(reader, "normalizer");
  while (fields.next()) {
    if (fields.is("type")) {
      fields.skip();
    } else if (fields.is("clean_text")) {
      options.clean_text = fields.read_bool();
    } else if (fields.is("handle_chinese_chars")) {
      options.handle_chinese_chars = fields.read_bool();
    } else if (fields.is("strip_accents")) {
      strip_accents = fields.read_optional_bool();
    } else if (fields.is("lowercase")) {
      options.lowercase = fields.read_bool();
    } else {
      fields.refuse_field();
    }
  }
  fields.require({"clean_text", "handle_chinese_chars", "lowercase"});
  options.strip_accents = strip_accents.value_or(options.lowercase);
}

void read_pre_tokenizer(JsonReader reader, TokenizerDefinition& definition) {
  const bool bert = definition.kind == TokenizerKind::kWordPiece;
  const std::string wanted = bert ? "BertPreTokenizer" : "ByteLevel";
  const std::optional<std::string> type =
      reader.peek() == JsonKind::kNull ? std::nullopt : type_of(reader, "pre_tokenizer");
  if (type != wanted) {
    throw Error("unsupported", reader.source() + ": expected pre_tokenizer of type \"" + wanted +
                                   "\" with a " + (bert ? "WordPiece" : "BPE") +
                                   " model, received " + type_or_none(type));
  }
  JsonFields fields(reader, "pre_tokenizer");
  while (fields.next()) {
    if (fields.is("type")) {
      fields.skip();
    } else if (!bert && fields.is("add_prefix_space")) {
      definition.add_prefix_space = fields.read_bool();
    } else if (!bert && fields.is("trim_offsets")) {
      fields.read_bool();  // offsets are not given
    } else if (!bert && fields.is("use_regex")) {
      fields.read_constant(true);
    } else {
      fields.refuse_field();
    }
  }
  if (!bert) fields.require({"add_prefix_space", "trim_offsets"});
}

}  // namespace

TokenizerDefinition read_tokenizer_json(std::string_view json, const std::string& path,
                                        LoadBudget& budget) {
  JsonReader reader(json, {.source = path, .code = "tokenizerInvalid", .max_bytes = kMaxFileBytes});
  const Places places = read_top(reader);
  TokenizerDefinition definition;
  read_model(reader.reader_at(*places.model), definition, budget);
  if (places.added_tokens) {
    read_added_tokens(reader.reader_at(*places.added_tokens), definition, budget);
  }
  constexpr std::string_view kNull = "null";
  const JsonReader none(kNull, {.source = path, .code = "tokenizerInvalid"});
  const auto reader_of = [&](const std::optional<size_t>& place) {
    return place ? reader.reader_at(*place) : none;
  };
  read_normalizer(reader_of(places.normalizer), definition);
  read_pre_tokenizer(reader_of(places.pre_tokenizer), definition);
  read_post_processor(reader_of(places.post_processor), definition);
  return definition;
}

}  // namespace simgpt
