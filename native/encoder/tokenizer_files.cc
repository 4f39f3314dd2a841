#include "encoder/tokenizer_files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "error.h"
#include "tokenizer/tokenizer.h"

namespace simgpt {
namespace {

// The largest published tokenizer.json is 35 MB; a file past this could not be held within the
// loading limit anyway (RELIABILITY 5).
constexpr std::streamoff kMostBytes = 128 << 20;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw Error("fileNotFound", path + ": cannot be opened: " + std::strerror(errno));
  const std::streamoff bytes = file.tellg();
  if (bytes < 0 || bytes > kMostBytes) {
    throw Error("tokenizerInvalid", path + ": expected a file of at most " +
                                        std::to_string(kMostBytes) + " bytes, received " +
                                        std::to_string(bytes));
  }
  std::string text(static_cast<size_t>(bytes), '\0');
  file.seekg(0);
  file.read(text.data(), bytes);
  if (file.gcount() != bytes) throw Error("ioFailed", path + ": could not be read to its end");
  return text;
}

}  // namespace

std::shared_ptr<const Tokenizer> load_tokenizer(const TokenizerSpec& spec) {
  switch (spec.kind) {
    case TokenizerSpec::Kind::kTokenizerJson:
      return Tokenizer::from_tokenizer_json(read_file(spec.path), spec.path);
    case TokenizerSpec::Kind::kWordPiece:
      return Tokenizer::from_wordpiece_vocab(
          read_file(spec.path), spec.path,
          {spec.lowercase, spec.strip_accents, spec.handle_chinese_chars});
    case TokenizerSpec::Kind::kByteLevelBpe:
      return Tokenizer::from_byte_level_bpe(read_file(spec.path), read_file(spec.merges_path),
                                            spec.path,
                                            {spec.add_prefix_space, spec.roberta_specials});
  }
  throw Error("unsupported", "unknown kind of tokenizer");
}

}  // namespace simgpt
