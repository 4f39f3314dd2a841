// The header of a safetensors file: text in, checked tensor table out. Touches no file.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/dtype.h"

namespace simgpt {

inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;
inline constexpr size_t kMaxTensors = 100'000;
inline constexpr size_t kMaxTensorNameBytes = 1024;
inline constexpr size_t kMaxTensorRank = 64;
inline constexpr size_t kMaxHeaderDepth = 8;

struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  // bytes from the start of the data section
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
};

// text        the header's JSON, at most kMaxHeaderBytes
// data_bytes  bytes of the file after the header: the tensors must cover them exactly
// path        named in errors only
// Throws Error("fileInvalid") that names file, tensor, field and what was expected.
SafetensorsHeader parse_safetensors_header(std::string_view text, uint64_t data_bytes,
                                           const std::string& path);

// Bytes of a tensor of this dtype and shape; false where it overflows or is not whole bytes.
bool tensor_bytes(Dtype dtype, const std::vector<int64_t>& shape, uint64_t* bytes);

// A name for messages: quoted, control bytes escaped, cut where it is long.
std::string printable_name(std::string_view name);

}  // namespace simgpt
