// A file that appears whole or not at all: temp beside the target, fsync, rename, fsync directory.
#pragma once

#include <cstddef>
#include <string>

namespace simgpt {

class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);  // creates the temp; the target is untouched
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();  // drops the temp unless commit() succeeded

  void write(const void* bytes, size_t count);
  void commit();  // every step throws Error("ioFailed") naming file and cause

 private:
  [[noreturn]] void fail(const char* action) const;

  std::string path_;
  std::string directory_;
  std::string temp_;
  int fd_ = -1;
  bool committed_ = false;
};

}  // namespace simgpt
