// Reads the files a TokenizerSpec names and builds the tokenizer.
#pragma once

#include <memory>

#include "encoder/spec.h"

namespace simgpt {

class Tokenizer;

std::shared_ptr<const Tokenizer> load_tokenizer(const TokenizerSpec& spec);

}  // namespace simgpt
