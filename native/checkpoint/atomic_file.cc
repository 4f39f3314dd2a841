#include "checkpoint/atomic_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "error.h"

namespace simgpt {

namespace {

std::string random_suffix() {
  uint64_t value = 0;
  if (::getrandom(&value, sizeof value, 0) != sizeof value)
    value = static_cast<uint64_t>(::getpid());
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

void AtomicFile::fail(const char* action) const {
  throw Error("ioFailed", path_ + ": cannot " + action + ": " + std::strerror(errno));
}

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  const size_t slash = path.find_last_of('/');
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  directory_ = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  temp_ = directory_ + (slash == std::string::npos ? "/." : ".") + name.substr(0, 200) + "." +
          random_suffix() + ".tmp";
  fd_ = ::open(temp_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (fd_ < 0) fail("create a file beside it");
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!committed_) ::unlink(temp_.c_str());
}

void AtomicFile::write(const void* bytes, size_t count) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  while (count > 0) {
    const ssize_t wrote = ::write(fd_, at, count);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail("write");
    at += wrote;
    count -= static_cast<size_t>(wrote);
  }
}

void AtomicFile::commit() {
  // A failed fsync may have dropped the pages: the temp goes, nothing is retried.
  if (::fsync(fd_) != 0) fail("flush");
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0) fail("close");
  if (::rename(temp_.c_str(), path_.c_str()) != 0) fail("put in place");
  committed_ = true;
  const int directory = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) fail("open the directory of");
  const int synced = ::fsync(directory);
  const int cause = errno;
  ::close(directory);
  errno = cause;
  if (synced != 0) fail("flush the directory of");
}

}  // namespace simgpt
