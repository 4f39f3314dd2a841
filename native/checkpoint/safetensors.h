// Safetensors files: checked reading into memory we own, and atomic writing.
// A foreign file is never mapped (it may shrink while we read) and its bytes are only copied.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cancellation.h"
#include "checkpoint/safetensors_header.h"

namespace simgpt {

class SafetensorsFile {
 public:
  // Reads and checks the whole header; no tensor data is read. The file stays open.
  // Throws Error: fileNotFound, fileInvalid or ioFailed, naming the file.
  static SafetensorsFile open(const std::string& path);

  SafetensorsFile(SafetensorsFile&& other) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&& other) noexcept;
  ~SafetensorsFile();

  const std::string& path() const { return path_; }
  uint64_t file_bytes() const { return file_bytes_; }
  const std::vector<TensorInfo>& tensors() const { return header_.tensors; }  // by data offset
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const TensorInfo* find(std::string_view name) const;

  // Raw bytes: destination holds tensor.end - tensor.begin of them. Throws fileInvalid where the
  // file changed since open, "cancelled" at the latest 16 MB after cancel().
  void read(const TensorInfo& tensor, void* destination, const CancelToken& cancel) const;
  // The same for bytes [begin, begin + count) of the tensor.
  void read_part(const TensorInfo& tensor, uint64_t begin, uint64_t count, void* destination,
                 const CancelToken& cancel) const;
  // F32, F16 or BF16 -> float32; any other dtype throws fileInvalid.
  void read_float32(const TensorInfo& tensor, float* destination, const CancelToken& cancel) const;

 private:
  SafetensorsFile() = default;
  void pread_exactly(uint64_t offset, uint64_t count, void* destination,
                     const CancelToken& cancel) const;
  void check_unchanged() const;

  std::string path_;
  int fd_ = -1;
  uint64_t file_bytes_ = 0;
  int64_t modified_seconds_ = 0;
  int64_t modified_nanoseconds_ = 0;
  uint64_t data_begin_ = 0;
  SafetensorsHeader header_;
  std::vector<uint32_t> by_name_;  // indices into tensors(), sorted by name
};

struct TensorView {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;
  const void* data = nullptr;  // contiguous, tensor_bytes(dtype, shape) of them
};

// Replaces `path` whole or leaves it as it was. Equal tensors and metadata give equal bytes,
// whatever their order here. Throws Error: ioFailed naming file and cause; RangeError-kind for
// names and shapes that the reader would refuse.
void write_safetensors(const std::string& path, std::span<const TensorView> tensors,
                       const std::map<std::string, std::string>& metadata);

// One tensor to copy from an open file, perhaps under a new name, in part or in another dtype.
struct TensorCopy {
  const SafetensorsFile* file = nullptr;
  const TensorInfo* tensor = nullptr;
  std::string name;
  std::optional<std::vector<int32_t>> rows = std::nullopt;  // kept, in this order; absent: all
  std::optional<Dtype> dtype = std::nullopt;  // F32 or F16, of a tensor of F32, F16 or BF16
};

// As write_safetensors, streaming from other files 1 MB at a time. Throws RangeError-kind for rows
// that are not the tensor's, "unsupported" for a value or dtype that the asked one cannot hold.
void copy_safetensors(const std::string& path, std::span<const TensorCopy> tensors,
                      const std::map<std::string, std::string>& metadata,
                      const CancelToken& cancel);

}  // namespace simgpt
