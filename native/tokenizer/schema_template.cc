#include "tokenizer/json_fields.h"
#include "tokenizer/schema.h"

namespace simgpt {

namespace {

struct TemplatePiece {
  bool is_sequence = false;
  std::string id;  // of the sequence, or of the special token
};

struct SpecialTokens {  // one entry of TemplateProcessing.special_tokens
  std::string id;
  std::vector<int32_t> ids;
};

int32_t check_token_id(const JsonReader& reader, size_t at, const TokenizerDefinition& definition,
                       const std::string& token, int64_t id) {
  const int32_t known = definition.find(token);
  if (known < 0 || known != id) {
    reader.fail(at, "expected post_processor to name tokens of the vocabulary, received " +
                        quoted(token) + " with id " + std::to_string(id) +
                        " where the vocabulary has " +
                        (known < 0 ? "no such token" : "id " + std::to_string(known)));
  }
  return known;
}

// ["</s>", 2]
int32_t read_token_pair(JsonFields& fields, const TokenizerDefinition& definition) {
  JsonReader& reader = fields.reader();
  const size_t at = reader.offset();
  if (reader.peek() != JsonKind::kArray) {
    fields.invalid("[token, id]", json_kind_name(reader.peek()));
  }
  reader.begin_array();
  if (!reader.next_element()) fields.invalid("[token, id]", "[]");
  const std::string token(reader.read_string());
  if (!reader.next_element()) fields.invalid("[token, id]", "one element");
  const int64_t id = reader.read_integer();
  if (reader.next_element()) fields.invalid("[token, id]", "more elements");
  return check_token_id(reader, at, definition, token, id);
}

// {"type": "BertProcessing" | "RobertaProcessing", "sep": [...], "cls": [...]}
void read_cls_sep(JsonReader& reader, bool roberta, TokenizerDefinition& definition) {
  JsonFields fields(reader, "post_processor");
  int32_t cls = -1;
  int32_t sep = -1;
  while (fields.next()) {
    if (fields.is("type")) {
      fields.skip();
    } else if (fields.is("sep")) {
      sep = read_token_pair(fields, definition);
    } else if (fields.is("cls")) {
      cls = read_token_pair(fields, definition);
    } else if (roberta && (fields.is("trim_offsets") || fields.is("add_prefix_space"))) {
      fields.read_bool();  // both are about offsets
    } else {
      fields.refuse_field();
    }
  }
  fields.require({"sep", "cls"});
  if (roberta) fields.require({"trim_offsets", "add_prefix_space"});
  definition.before = {cls};
  definition.after = {sep};
}

// Changes offsets only.
void read_byte_level(JsonReader& reader) {
  JsonFields fields(reader, "post_processor");
  while (fields.next()) {
    if (fields.is("type")) {
      fields.skip();
    } else if (fields.is("add_prefix_space") || fields.is("trim_offsets") ||
               fields.is("use_regex")) {
      fields.read_bool();
    } else {
      fields.refuse_field();
    }
  }
  fields.require({"add_prefix_space", "trim_offsets"});
}

// {"SpecialToken": {"id": "[CLS]", "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}}
TemplatePiece read_piece(JsonReader& reader, const std::string& name, bool is_pair) {
  TemplatePiece piece;
  JsonFields fields(reader, name);
  int kinds = 0;
  while (fields.next()) {
    const bool special = fields.is("SpecialToken");
    piece.is_sequence = fields.is("Sequence");
    if (!special && !piece.is_sequence) fields.refuse_field();
    ++kinds;
    JsonFields inner(reader, fields.name());
    while (inner.next()) {
      if (inner.is("id")) {
        piece.id = inner.read_string();
        if (piece.is_sequence && piece.id != "A" && !(is_pair && piece.id == "B")) {
          inner.invalid(is_pair ? "\"A\" or \"B\"" : "\"A\"", quoted(piece.id));
        }
      } else if (inner.is("type_id")) {
        const int64_t type = inner.read_integer(0, kMaxVocabulary);
        if (!is_pair && type != 0) inner.refuse("0", std::to_string(type));
      } else {
        inner.refuse_field();
      }
    }
    inner.require({"id", "type_id"});
  }
  if (kinds != 1) {
    reader.fail(reader.offset(), "expected " + name +
                                     " to have one of SpecialToken and Sequence, received " +
                                     std::to_string(kinds));
  }
  return piece;
}

std::vector<TemplatePiece> read_pieces(JsonFields& fields, bool is_pair) {
  JsonReader& reader = fields.reader();
  if (reader.peek() != JsonKind::kArray) {
    fields.refuse("an array of pieces", json_kind_name(reader.peek()));
  }
  std::vector<TemplatePiece> pieces;
  reader.begin_array();
  while (reader.next_element()) {
    if (pieces.size() >= kMaxTemplatePieces) {
      fields.invalid("at most " + std::to_string(kMaxTemplatePieces) + " pieces", "more");
    }
    pieces.push_back(
        read_piece(reader, fields.name() + "[" + std::to_string(pieces.size()) + "]", is_pair));
  }
  return pieces;
}

// {"id": "[CLS]", "ids": [101], "tokens": ["[CLS]"]}
SpecialTokens read_special(JsonReader& reader, const std::string& name,
                           const TokenizerDefinition& definition) {
  const size_t at = reader.offset();
  SpecialTokens special;
  std::vector<int64_t> ids;
  std::vector<std::string> tokens;
  JsonFields fields(reader, name);
  const auto each = [&](auto&& read) {
    reader.begin_array();
    while (reader.next_element()) {
      if (ids.size() + tokens.size() > 2 * kMaxTemplatePieces) {
        fields.invalid("at most " + std::to_string(kMaxTemplatePieces) + " tokens", "more");
      }
      read();
    }
  };
  while (fields.next()) {
    if (fields.is("id")) {
      special.id = fields.read_string();
    } else if (fields.is("ids")) {
      each([&] { ids.push_back(reader.read_integer()); });
    } else if (fields.is("tokens")) {
      each([&] { tokens.emplace_back(reader.read_string()); });
    } else {
      fields.refuse_field();
    }
  }
  fields.require({"id", "ids", "tokens"});
  if (ids.size() != tokens.size()) {
    reader.fail(at, "expected " + name + " to have as many ids as tokens, received " +
                        std::to_string(ids.size()) + " and " + std::to_string(tokens.size()));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    special.ids.push_back(check_token_id(reader, at, definition, tokens[i], ids[i]));
  }
  return special;
}

std::vector<SpecialTokens> read_specials(JsonFields& fields,
                                         const TokenizerDefinition& definition) {
  JsonReader& reader = fields.reader();
  if (reader.peek() != JsonKind::kObject) {
    fields.refuse("an object", json_kind_name(reader.peek()));
  }
  std::vector<SpecialTokens> specials;
  reader.begin_object();
  while (reader.next_key()) {
    const std::string key(reader.key());
    const size_t at = reader.value_offset();
    if (specials.size() >= kMaxTemplatePieces) {
      fields.invalid("at most " + std::to_string(kMaxTemplatePieces) + " tokens", "more");
    }
    specials.push_back(read_special(reader, fields.name() + "." + quoted(key), definition));
    if (specials.back().id != key) {
      reader.fail(at, "expected " + fields.name() + " to be keyed by id, received " +
                          quoted(specials.back().id) + " under " + quoted(key));
    }
  }
  return specials;
}

void read_template(JsonReader& reader, TokenizerDefinition& definition) {
  JsonFields fields(reader, "post_processor");
  std::vector<TemplatePiece> single, pair;
  std::vector<SpecialTokens> specials;
  while (fields.next()) {
    if (fields.is("type")) {
      fields.skip();
    } else if (fields.is("single")) {
      single = read_pieces(fields, false);
    } else if (fields.is("pair")) {
      pair = read_pieces(fields, true);
    } else if (fields.is("special_tokens")) {
      specials = read_specials(fields, definition);
    } else {
      fields.refuse_field();
    }
  }
  fields.require({"single", "pair", "special_tokens"});
  int sequences = 0;
  const auto find = [&](const TemplatePiece& piece) -> const SpecialTokens& {
    for (const SpecialTokens& special : specials) {
      if (special.id == piece.id) return special;
    }
    reader.fail(reader.offset(),
                "expected post_processor.special_tokens to have every token of the templates, "
                "received none for " +
                    quoted(piece.id));
  };
  for (const TemplatePiece& piece : single) {
    if (piece.is_sequence) {
      ++sequences;
      continue;
    }
    const SpecialTokens& special = find(piece);
    std::vector<int32_t>& side = sequences == 0 ? definition.before : definition.after;
    side.insert(side.end(), special.ids.begin(), special.ids.end());
  }
  for (const TemplatePiece& piece : pair) {
    if (!piece.is_sequence) find(piece);
  }
  if (sequences != 1) {
    throw Error("unsupported",
                reader.source() +
                    ": expected post_processor.single to have the sequence \"A\" once, received " +
                    std::to_string(sequences) + " times");
  }
}

}  // namespace

void read_post_processor(JsonReader reader, TokenizerDefinition& definition) {
  if (reader.try_null()) return;
  const auto type = type_of(reader, "post_processor");
  if (type == "TemplateProcessing") return read_template(reader, definition);
  if (type == "BertProcessing") return read_cls_sep(reader, false, definition);
  if (type == "RobertaProcessing") return read_cls_sep(reader, true, definition);
  if (type == "ByteLevel") return read_byte_level(reader);
  throw Error("unsupported",
              reader.source() +
                  ": expected post_processor null or of type \"TemplateProcessing\", "
                  "\"BertProcessing\", \"RobertaProcessing\" or \"ByteLevel\", received " +
                  (type ? quoted(*type) : "none"));
}

}  // namespace simgpt
