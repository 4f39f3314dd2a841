#include "checkpoint/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "error.h"

namespace simgpt {

namespace {

constexpr uint64_t kLengthBytes = 8;          // little-endian length of the header's JSON
constexpr uint64_t kReadBytes = 16u << 20;    // between two polls
constexpr uint64_t kConvertBytes = 1u << 20;  // of 16-bit floats widened at once

[[noreturn]] void fail(const std::string& path, const std::string& message) {
  throw Error("fileInvalid", path + ": " + message);
}

[[noreturn]] void fail_io(const std::string& path, const char* action) {
  const int cause = errno;
  const bool missing = cause == ENOENT || cause == ENOTDIR;
  throw Error(missing ? "fileNotFound" : "ioFailed",
              path + ": cannot " + action + ": " + std::strerror(cause));
}

// What people rename to .safetensors, told from its first bytes.
const char* disguise(const unsigned char* first, uint64_t count) {
  if (count >= 4 && std::memcmp(first, "PK\x03\x04", 4) == 0) return "a zip archive (.pt, .bin)";
  if (count >= 2 && first[0] == 0x80 && first[1] >= 2 && first[1] <= 5) return "a pickle";
  if (count >= 6 && std::memcmp(first, "\x93NUMPY", 6) == 0) return "a NumPy array";
  if (count >= 4 && std::memcmp(first, "\x89HDF", 4) == 0) return "an HDF5 file";
  if (count >= 4 && std::memcmp(first, "GGUF", 4) == 0) return "a GGUF file";
  if (count >= 8 && std::memcmp(first, "version ", 8) == 0) return "a Git LFS pointer";
  return nullptr;
}

}  // namespace

SafetensorsFile::SafetensorsFile(SafetensorsFile&& other) noexcept { *this = std::move(other); }

SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&& other) noexcept {
  if (this == &other) return *this;
  std::swap(fd_, other.fd_);
  path_ = std::move(other.path_);
  file_bytes_ = other.file_bytes_;
  modified_seconds_ = other.modified_seconds_;
  modified_nanoseconds_ = other.modified_nanoseconds_;
  data_begin_ = other.data_begin_;
  header_ = std::move(other.header_);
  by_name_ = std::move(other.by_name_);
  return *this;
}

SafetensorsFile::~SafetensorsFile() {
  if (fd_ >= 0) ::close(fd_);
}

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  SafetensorsFile file;
  file.path_ = path;
  // O_NONBLOCK: opening a FIFO must not wait for its writer.
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file.fd_ < 0) fail_io(path, "open");
  struct stat status {};
  if (::fstat(file.fd_, &status) != 0) fail_io(path, "read its size");
  if (!S_ISREG(status.st_mode)) fail(path, "expected a regular file");
  file.file_bytes_ = static_cast<uint64_t>(status.st_size);
  file.modified_seconds_ = status.st_mtim.tv_sec;
  file.modified_nanoseconds_ = status.st_mtim.tv_nsec;

  unsigned char first[kLengthBytes] = {};
  if (file.file_bytes_ < kLengthBytes) {
    fail(path, "expected a safetensors file of at least 8 bytes, received " +
                   std::to_string(file.file_bytes_));
  }
  file.pread_exactly(0, kLengthBytes, first, CancelToken());
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, first, sizeof header_bytes);
  if (header_bytes > kMaxHeaderBytes || header_bytes > file.file_bytes_ - kLengthBytes) {
    if (const char* kind = disguise(first, kLengthBytes)) {
      fail(path, std::string("expected a safetensors file, received ") + kind +
                     "; tools/convert.py writes safetensors from PyTorch files");
    }
    const uint64_t most = std::min(kMaxHeaderBytes, file.file_bytes_ - kLengthBytes);
    fail(path, "field header length: expected at most " + std::to_string(most) +
                   " bytes, received " + std::to_string(header_bytes));
  }
  std::string text(header_bytes, '\0');
  file.pread_exactly(kLengthBytes, header_bytes, text.data(), CancelToken());
  file.data_begin_ = kLengthBytes + header_bytes;
  file.header_ = parse_safetensors_header(text, file.file_bytes_ - file.data_begin_, path);

  const std::vector<TensorInfo>& tensors = file.header_.tensors;
  file.by_name_.resize(tensors.size());
  for (uint32_t i = 0; i < file.by_name_.size(); ++i) file.by_name_[i] = i;
  std::sort(file.by_name_.begin(), file.by_name_.end(),
            [&](uint32_t a, uint32_t b) { return tensors[a].name < tensors[b].name; });
  return file;
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const {
  const std::vector<TensorInfo>& all = header_.tensors;
  const auto at =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](uint32_t i, std::string_view key) { return all[i].name < key; });
  return at != by_name_.end() && all[*at].name == name ? &all[*at] : nullptr;
}

void SafetensorsFile::pread_exactly(uint64_t offset, uint64_t count, void* destination,
                                    const CancelToken& cancel) const {
  auto* out = static_cast<unsigned char*>(destination);
  while (count > 0) {
    cancel.poll();
    const ssize_t got = ::pread(fd_, out, std::min(count, kReadBytes), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_io(path_, "read");
    if (got == 0) fail(path_, "the file became shorter while it was read");
    out += got;
    offset += static_cast<uint64_t>(got);
    count -= static_cast<uint64_t>(got);
  }
}

void SafetensorsFile::check_unchanged() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) fail_io(path_, "read its size");
  if (static_cast<uint64_t>(status.st_size) != file_bytes_ ||
      status.st_mtim.tv_sec != modified_seconds_ ||
      status.st_mtim.tv_nsec != modified_nanoseconds_) {
    fail(path_, "the file changed while it was read");
  }
}

void SafetensorsFile::read_part(const TensorInfo& tensor, uint64_t begin, uint64_t count,
                                void* destination, const CancelToken& cancel) const {
  const uint64_t bytes = tensor.end - tensor.begin;
  if (begin > bytes || count > bytes - begin) {
    throw Error(ErrorKind::kRange, "expected a part within the tensor's " + std::to_string(bytes) +
                                       " bytes, received " + std::to_string(begin) + " + " +
                                       std::to_string(count));
  }
  pread_exactly(data_begin_ + tensor.begin + begin, count, destination, cancel);
  check_unchanged();
}

void SafetensorsFile::read(const TensorInfo& tensor, void* destination,
                           const CancelToken& cancel) const {
  read_part(tensor, 0, tensor.end - tensor.begin, destination, cancel);
}

void SafetensorsFile::read_float32(const TensorInfo& tensor, float* destination,
                                   const CancelToken& cancel) const {
  if (tensor.dtype == Dtype::kF32) return read(tensor, destination, cancel);
  if (tensor.dtype != Dtype::kF16 && tensor.dtype != Dtype::kBF16) {
    fail(path_, "tensor " + printable_name(tensor.name) +
                    ", field dtype: expected F32, F16 or BF16, received " +
                    dtype_name(tensor.dtype));
  }
  const uint64_t bytes = tensor.end - tensor.begin;
  std::vector<unsigned char> part(std::min(bytes, kConvertBytes));
  for (uint64_t at = 0; at < bytes; at += part.size()) {
    const uint64_t count = std::min<uint64_t>(part.size(), bytes - at);
    pread_exactly(data_begin_ + tensor.begin + at, count, part.data(), cancel);
    const auto widen = tensor.dtype == Dtype::kF16 ? float16_to_float32 : bfloat16_to_float32;
    widen(part.data(), destination + at / 2, count / 2);
  }
  check_unchanged();
}

}  // namespace simgpt
