#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <optional>

#include "error.h"
#include "json/json.h"

namespace simgpt {

namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& path)
      : path_(path),
        text_(text),
        reader_(text, {.source = path,
                       .code = "fileInvalid",
                       .max_bytes = kMaxHeaderBytes,
                       .max_depth = kMaxHeaderDepth,
                       .reject_duplicate_keys = false}) {}

  SafetensorsHeader parse() {
    bool metadata_seen = false;
    reader_.begin_object();
    while (reader_.next_key()) {
      if (reader_.key() == "__metadata__") {
        if (metadata_seen) fail_file("field __metadata__: expected it once, received it twice");
        metadata_seen = true;
        read_metadata();
      } else {
        read_tensor();
      }
    }
    reader_.finish();
    return std::move(header_);
  }

 private:
  [[noreturn]] void fail_file(const std::string& message) const {
    throw Error("fileInvalid", path_ + ": " + message);
  }
  [[noreturn]] void fail(const char* field, const std::string& expected,
                         const std::string& received) const {
    fail_file("tensor " + printable_name(tensor_.name) + ", field " + field + ": expected " +
              expected + ", received " + received);
  }

  void read_metadata() {
    if (reader_.try_null()) return;
    if (reader_.peek() != JsonKind::kObject) {
      fail_file(std::string("field __metadata__: expected an object of strings, received ") +
                json_kind_name(reader_.peek()));
    }
    reader_.begin_object();
    while (reader_.next_key()) {
      std::string key(reader_.key());
      if (reader_.peek() != JsonKind::kString) {
        fail_file("field __metadata__, key " + printable_name(key) +
                  ": expected a string, received " + json_kind_name(reader_.peek()));
      }
      header_.metadata.insert_or_assign(std::move(key), std::string(reader_.read_string()));
    }
  }

  void read_tensor() {
    if (header_.tensors.size() >= kMaxTensors) {
      fail_file("expected at most " + std::to_string(kMaxTensors) + " tensors, received more");
    }
    tensor_ = TensorInfo{};
    tensor_.name = reader_.key().substr(0, kMaxTensorNameBytes);
    if (reader_.key().size() > kMaxTensorNameBytes) {
      fail("name", "at most " + std::to_string(kMaxTensorNameBytes) + " bytes",
           std::to_string(reader_.key().size()));
    }
    if (tensor_.name.find('\0') != std::string::npos) {
      fail("name", "no NUL character", "one");
    }
    if (reader_.peek() != JsonKind::kObject) {
      fail_file("tensor " + printable_name(tensor_.name) +
                ": expected an object with dtype, shape and data_offsets, received " +
                json_kind_name(reader_.peek()));
    }
    read_fields();
    header_.tensors.push_back(std::move(tensor_));
  }

  void read_fields() {
    bool dtype_seen = false, shape_seen = false, offsets_seen = false;
    reader_.begin_object();
    while (reader_.next_key()) {
      const std::string_view key = reader_.key();
      if (key == "dtype") {
        note_once("dtype", dtype_seen);
        read_dtype();
      } else if (key == "shape") {
        note_once("shape", shape_seen);
        read_shape();
      } else if (key == "data_offsets") {
        note_once("data_offsets", offsets_seen);
        read_offsets();
      } else {
        reader_.skip_value();  // the reference ignores other fields too
      }
    }
    if (!dtype_seen) fail("dtype", "a dtype name", "nothing");
    if (!shape_seen) fail("shape", "a list of sizes", "nothing");
    if (!offsets_seen) fail("data_offsets", "two byte offsets", "nothing");
  }

  void note_once(const char* field, bool& seen) const {
    if (seen) fail(field, "it once", "it twice");
    seen = true;
  }

  void read_dtype() {
    if (reader_.peek() != JsonKind::kString) {
      fail("dtype", "a dtype name", json_kind_name(reader_.peek()));
    }
    const std::string_view name = reader_.read_string();
    const std::optional<Dtype> dtype = dtype_from_name(name);
    if (!dtype)
      fail("dtype", "F32, F16, BF16, I64 or another safetensors dtype", printable_name(name));
    tensor_.dtype = *dtype;
  }

  int64_t read_size(const char* field) {
    if (reader_.peek() != JsonKind::kNumber) {
      fail(field, "whole numbers >= 0", json_kind_name(reader_.peek()));
    }
    const int64_t value = reader_.read_integer();
    // The sign first: the reference refuses -0 as well.
    if (text_[reader_.value_offset()] == '-')
      fail(field, "whole numbers >= 0", std::to_string(value));
    return value;
  }

  void read_shape() {
    if (reader_.peek() != JsonKind::kArray) {
      fail("shape", "a list of sizes", json_kind_name(reader_.peek()));
    }
    reader_.begin_array();
    while (reader_.next_element()) {
      if (tensor_.shape.size() >= kMaxTensorRank) {
        fail("shape", "at most " + std::to_string(kMaxTensorRank) + " dimensions", "more");
      }
      tensor_.shape.push_back(read_size("shape"));
    }
  }

  void read_offsets() {
    if (reader_.peek() != JsonKind::kArray) {
      fail("data_offsets", "two byte offsets", json_kind_name(reader_.peek()));
    }
    uint64_t offsets[2] = {0, 0};
    size_t count = 0;
    reader_.begin_array();
    while (reader_.next_element()) {
      if (count == 2) fail("data_offsets", "two byte offsets", "more");
      offsets[count++] = static_cast<uint64_t>(read_size("data_offsets"));
    }
    if (count != 2) fail("data_offsets", "two byte offsets", std::to_string(count));
    tensor_.begin = offsets[0];
    tensor_.end = offsets[1];
  }

  const std::string& path_;
  const std::string_view text_;
  JsonReader reader_;
  SafetensorsHeader header_;
  TensorInfo tensor_;  // the one being read
};

[[noreturn]] void fail_tensor(const std::string& path, const TensorInfo& tensor,
                              const std::string& message) {
  throw Error("fileInvalid", path + ": tensor " + printable_name(tensor.name) +
                                 ", field data_offsets: " + message);
}

void check_size(const TensorInfo& tensor, const std::string& path) {
  uint64_t bytes = 0;
  if (!tensor_bytes(tensor.dtype, tensor.shape, &bytes)) {
    fail_tensor(path, tensor,
                std::string("expected a shape of whole bytes below 2^63, received ") +
                    dtype_name(tensor.dtype) + " " + shape_text(tensor.shape));
  }
  if (tensor.end < tensor.begin || tensor.end - tensor.begin != bytes) {
    fail_tensor(path, tensor,
                "expected " + std::to_string(bytes) + " bytes for " + dtype_name(tensor.dtype) +
                    " " + shape_text(tensor.shape) + ", received " + std::to_string(tensor.begin) +
                    " to " + std::to_string(tensor.end));
  }
}

// The tensors must follow each other from byte 0 to the last: no hole, no overlap, no rest.
void check_coverage(SafetensorsHeader& header, uint64_t data_bytes, const std::string& path) {
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorInfo& a, const TensorInfo& b) {
              if (a.begin != b.begin) return a.begin < b.begin;
              if (a.end != b.end) return a.end < b.end;
              return a.name < b.name;
            });
  uint64_t covered = 0;
  for (const TensorInfo& tensor : header.tensors) {
    check_size(tensor, path);
    if (tensor.begin != covered) {
      fail_tensor(path, tensor,
                  "expected its data to begin at byte " + std::to_string(covered) + " (no " +
                      (tensor.begin > covered ? "hole" : "overlap") + "), received " +
                      std::to_string(tensor.begin));
    }
    covered = tensor.end;
  }
  if (covered != data_bytes) {
    throw Error("fileInvalid", path + ": expected " + std::to_string(covered) +
                                   " bytes of tensor data as its header says, received " +
                                   std::to_string(data_bytes) +
                                   (data_bytes < covered ? " (truncated file)" : ""));
  }
}

void check_names(const SafetensorsHeader& header, const std::string& path) {
  std::vector<std::string_view> names;
  names.reserve(header.tensors.size());
  for (const TensorInfo& tensor : header.tensors) names.push_back(tensor.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    throw Error("fileInvalid", path + ": tensor " + printable_name(*twice) +
                                   ": expected each name once, received it twice");
  }
}

}  // namespace

bool tensor_bytes(Dtype dtype, const std::vector<int64_t>& shape, uint64_t* bytes) {
  uint64_t bits = 1;
  for (const int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(bits, static_cast<uint64_t>(size), &bits)) return false;
  }
  if (__builtin_mul_overflow(bits, dtype_bits(dtype), &bits) || bits % 8 != 0) return false;
  *bytes = bits / 8;
  return true;
}

std::string printable_name(std::string_view name) {
  constexpr size_t kShown = 80;
  constexpr char kHex[] = "0123456789abcdef";
  std::string text = "\"";
  for (const char c : name.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || byte >= 0x80) {
      text += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      text += c;
    }
  }
  return text + (name.size() > kShown ? "\"..." : "\"");
}

SafetensorsHeader parse_safetensors_header(std::string_view text, uint64_t data_bytes,
                                           const std::string& path) {
  SafetensorsHeader header = HeaderParser(text, path).parse();
  check_names(header, path);
  check_coverage(header, data_bytes, path);
  return header;
}

}  // namespace simgpt
