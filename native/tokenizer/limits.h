// What a tokenizer file may ask for (RELIABILITY 5). All fixed: no option raises them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "error.h"

namespace simgpt {

constexpr int64_t kMaxVocabulary = 4'000'000;  // tokens, and one above the largest id
constexpr int64_t kMaxMerges = 4'000'000;
constexpr size_t kMaxTokenBytes = 1024;
constexpr size_t kMaxLoadBytes = size_t{256} << 20;  // file text and tables together
constexpr size_t kMaxFileBytes = size_t{128} << 20;
constexpr size_t kMaxAddedTokens = 100'000;
constexpr size_t kMaxTemplatePieces = 64;

// Counts the bytes a load holds, so that a file cannot make it grow past the limit.
class LoadBudget {
 public:
  LoadBudget(const std::string& path, size_t file_bytes) : path_(path) { charge(file_bytes); }

  void charge(size_t bytes) {
    used_ += bytes;
    if (used_ <= kMaxLoadBytes) return;
    throw Error("tokenizerInvalid", path_ + ": expected a tokenizer that loads within " +
                                        std::to_string(kMaxLoadBytes) +
                                        " bytes, received a larger one");
  }

 private:
  const std::string& path_;
  size_t used_ = 0;
};

}  // namespace simgpt
