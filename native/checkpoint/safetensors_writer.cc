#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "checkpoint/atomic_file.h"
#include "checkpoint/safetensors.h"
#include "error.h"

namespace simgpt {

namespace {

constexpr uint64_t kCopyBytes = 1u << 20;

struct PlannedTensor {
  std::string_view name;
  Dtype dtype;
  const std::vector<int64_t>* shape;
  size_t source;  // index into the caller's list
  uint64_t bytes;
  uint64_t begin;
};

void append_json_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20) {
      out += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  out += '"';
}

void check_plan(const PlannedTensor& tensor) {
  const bool reserved = tensor.name == "__metadata__";
  if (tensor.name.size() > kMaxTensorNameBytes || reserved ||
      tensor.name.find('\0') != std::string_view::npos) {
    throw Error(ErrorKind::kRange,
                "expected a tensor name of at most 1024 bytes without NUL, received " +
                    printable_name(tensor.name));
  }
  if (tensor.shape->size() > kMaxTensorRank) {
    throw Error(ErrorKind::kRange, "expected at most 64 dimensions for tensor " +
                                       printable_name(tensor.name) + ", received " +
                                       std::to_string(tensor.shape->size()));
  }
}

// Data lies by element size, largest first, then by name: every tensor is aligned to its elements,
// as the reference writer lays it.
void lay_out(std::vector<PlannedTensor>& plan) {
  if (plan.size() > kMaxTensors) {
    throw Error(ErrorKind::kRange,
                "expected at most 100000 tensors, received " + std::to_string(plan.size()));
  }
  std::sort(plan.begin(), plan.end(), [](const PlannedTensor& a, const PlannedTensor& b) {
    if (dtype_bits(a.dtype) != dtype_bits(b.dtype))
      return dtype_bits(a.dtype) > dtype_bits(b.dtype);
    return a.name < b.name;
  });
  uint64_t at = 0;
  for (PlannedTensor& tensor : plan) {
    check_plan(tensor);
    if (!tensor_bytes(tensor.dtype, *tensor.shape, &tensor.bytes)) {
      throw Error(ErrorKind::kRange, "expected a shape of whole bytes for tensor " +
                                         printable_name(tensor.name) + ", received another");
    }
    tensor.begin = at;
    at += tensor.bytes;
  }
}

std::string header_text(std::vector<PlannedTensor> plan,
                        const std::map<std::string, std::string>& metadata) {
  std::sort(plan.begin(), plan.end(),
            [](const PlannedTensor& a, const PlannedTensor& b) { return a.name < b.name; });
  std::string text = "{";
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      if (text.back() != '{') text += ',';
      append_json_string(text, key);
      text += ':';
      append_json_string(text, value);
    }
    text += '}';
  }
  std::string_view previous;
  for (const PlannedTensor& tensor : plan) {
    if (&tensor != &plan.front() && tensor.name == previous) {
      throw Error(ErrorKind::kRange, "expected each tensor name once, received " +
                                         printable_name(tensor.name) + " twice");
    }
    previous = tensor.name;
    if (text.size() > 1) text += ',';
    append_json_string(text, tensor.name);
    text += std::string(":{\"dtype\":\"") + dtype_name(tensor.dtype) + "\",\"shape\":[";
    for (const int64_t size : *tensor.shape) {
      if (text.back() != '[') text += ',';
      text += std::to_string(size);
    }
    text += "],\"data_offsets\":[" + std::to_string(tensor.begin) + ',' +
            std::to_string(tensor.begin + tensor.bytes) + "]}";
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');  // data begins at a multiple of 8
  return text;
}

void write_planned(const std::string& path, std::vector<PlannedTensor> plan,
                   const std::map<std::string, std::string>& metadata,
                   const std::function<void(const PlannedTensor&, AtomicFile&)>& write_data) {
  lay_out(plan);
  const std::string header = header_text(plan, metadata);
  if (header.size() > kMaxHeaderBytes) {
    throw Error(ErrorKind::kRange, "expected a header of at most 100000000 bytes, received " +
                                       std::to_string(header.size()));
  }
  AtomicFile file(path);
  unsigned char length[8];
  const uint64_t header_bytes = header.size();
  std::memcpy(length, &header_bytes, sizeof length);
  file.write(length, sizeof length);
  file.write(header.data(), header.size());
  for (const PlannedTensor& tensor : plan) write_data(tensor, file);
  file.commit();
}

// A tensor's dtype once it is copied; throws where values cannot be converted.
Dtype copied_dtype(const TensorCopy& copy) {
  const Dtype own = copy.tensor->dtype;
  if (!copy.dtype || *copy.dtype == own) return own;
  const bool from = own == Dtype::kF32 || own == Dtype::kF16 || own == Dtype::kBF16;
  const bool to = *copy.dtype == Dtype::kF32 || *copy.dtype == Dtype::kF16;
  if (from && to) return *copy.dtype;
  throw Error("unsupported", copy.file->path() + ": tensor " + printable_name(copy.tensor->name) +
                                 ": expected F32, F16 or BF16 to write as F32 or F16, received " +
                                 dtype_name(own) + " for " + dtype_name(*copy.dtype));
}

std::vector<int64_t> copied_shape(const TensorCopy& copy) {
  std::vector<int64_t> shape = copy.tensor->shape;
  if (!copy.rows) return shape;
  const int64_t rows = shape.empty() || dtype_bits(copy.tensor->dtype) % 8 != 0 ? 0 : shape[0];
  for (const int32_t row : *copy.rows) {
    if (row >= 0 && row < rows) continue;
    throw Error(ErrorKind::kRange, "expected rows of tensor " + printable_name(copy.tensor->name) +
                                       " below " + std::to_string(rows) + ", received " +
                                       std::to_string(row));
  }
  if (!shape.empty()) shape[0] = static_cast<int64_t>(copy.rows->size());
  return shape;
}

using ByteRange = std::pair<uint64_t, uint64_t>;  // [begin, end) of a tensor's data

// What is read of a tensor; rows that follow one another are one range.
std::vector<ByteRange> copied_ranges(const TensorCopy& copy) {
  const uint64_t bytes = copy.tensor->end - copy.tensor->begin;
  if (!copy.rows) return {{0, bytes}};
  std::vector<ByteRange> ranges;
  for (const int32_t row : *copy.rows) {
    const uint64_t row_bytes = bytes / static_cast<uint64_t>(copy.tensor->shape[0]);
    const uint64_t begin = static_cast<uint64_t>(row) * row_bytes;
    if (ranges.empty() || ranges.back().second != begin) ranges.emplace_back(begin, begin);
    ranges.back().second += row_bytes;
  }
  return ranges;
}

// bytes: values of the tensor's own dtype
void write_as(const TensorCopy& copy, const unsigned char* bytes, uint64_t count,
              AtomicFile& file) {
  const Dtype own = copy.tensor->dtype;
  if (copied_dtype(copy) == own) return file.write(bytes, count);
  const uint64_t values = count / (dtype_bits(own) / 8);
  std::vector<float> wide(values);
  if (own == Dtype::kF32) std::memcpy(wide.data(), bytes, count);
  if (own == Dtype::kF16) float16_to_float32(bytes, wide.data(), values);
  if (own == Dtype::kBF16) bfloat16_to_float32(bytes, wide.data(), values);
  if (*copy.dtype == Dtype::kF32) return file.write(wide.data(), 4 * values);
  std::vector<unsigned char> narrow(2 * values);
  const uint64_t bad = float32_to_float16(wide.data(), narrow.data(), values);
  if (bad < values) {
    throw Error("unsupported", copy.file->path() + ": tensor " + printable_name(copy.tensor->name) +
                                   ": expected values that float16 holds (below 65520), received " +
                                   std::to_string(wide[bad]));
  }
  file.write(narrow.data(), narrow.size());
}

}  // namespace

void write_safetensors(const std::string& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<PlannedTensor> plan;
  plan.reserve(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    plan.push_back({tensors[i].name, tensors[i].dtype, &tensors[i].shape, i, 0, 0});
  }
  write_planned(path, std::move(plan), metadata,
                [&](const PlannedTensor& tensor, AtomicFile& file) {
                  file.write(tensors[tensor.source].data, tensor.bytes);
                });
}

void copy_safetensors(const std::string& path, std::span<const TensorCopy> tensors,
                      const std::map<std::string, std::string>& metadata,
                      const CancelToken& cancel) {
  std::vector<std::vector<int64_t>> shapes;
  for (const TensorCopy& copy : tensors) shapes.push_back(copied_shape(copy));
  std::vector<PlannedTensor> plan;
  plan.reserve(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    plan.push_back({tensors[i].name, copied_dtype(tensors[i]), &shapes[i], i, 0, 0});
  }
  std::vector<unsigned char> part(kCopyBytes);
  write_planned(path, std::move(plan), metadata,
                [&](const PlannedTensor& tensor, AtomicFile& file) {
                  const TensorCopy& copy = tensors[tensor.source];
                  for (const auto& [begin, end] : copied_ranges(copy)) {
                    for (uint64_t at = begin; at < end; at += part.size()) {
                      const uint64_t count = std::min<uint64_t>(part.size(), end - at);
                      copy.file->read_part(*copy.tensor, at, count, part.data(), cancel);
                      write_as(copy, part.data(), count, file);
                    }
                  }
                });
}

}  // namespace simgpt
