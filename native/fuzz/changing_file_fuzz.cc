// Safetensors files that are cut, or rewritten by another thread while they are read: a clean error
// or whole tensors, never a signal, and never a mix of two versions taken for one.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "checkpoint/safetensors.h"
#include "driver.h"
#include "error.h"

namespace simgpt::fuzz {
namespace {

constexpr int64_t kTensors = 120;
constexpr int64_t kValues = 300;

std::string scratch_path() {
  const char* folder = std::getenv("TMPDIR");
  return std::string(folder ? folder : "/tmp") + "/simgpt-changing-" + std::to_string(::getpid());
}

void write_model(const std::string& path) {
  const std::vector<float> values(kValues, 1.5f);
  std::vector<TensorView> tensors;
  for (int64_t i = 0; i < kTensors; ++i) {
    tensors.push_back({"encoder.layer." + std::to_string(i) + ".output.dense.weight",
                       Dtype::kF32,
                       {kValues},
                       values.data()});
  }
  write_safetensors(path, tensors, {{"format", "pt"}});
}

std::string model_bytes(const std::string& path) {
  write_model(path);
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What another process might do to the file, chosen before the reader starts.
struct Change {
  size_t kind, at, delay;
};

void apply(const std::string& path, const Change& change) {
  for (size_t i = 0; i < change.delay; ++i) std::this_thread::yield();
  const int fd = ::open(path.c_str(), O_WRONLY);
  if (fd < 0) return;
  const std::vector<float> other(kValues, -7.0f);
  const auto at = static_cast<off_t>(change.at);
  ssize_t done = 0;
  if (change.kind == 0) done = ::ftruncate(fd, at);
  if (change.kind == 1) done = ::pwrite(fd, other.data(), other.size() * sizeof(float), at);
  if (change.kind == 2) done = ::ftruncate(fd, at * 3);
  (void)done;
  ::close(fd);
}

Outcome read_all(const std::string& path) {
  Outcome outcome;
  try {
    const SafetensorsFile file = SafetensorsFile::open(path);
    std::vector<float> values(kValues);
    for (const TensorInfo& tensor : file.tensors()) {
      file.read_float32(tensor, values.data(), CancelToken());
    }
    outcome.accepted = true;
  } catch (const Error& error) {
    if (error.code() != "fileInvalid") outcome.problem = "unexpected code " + error.code();
  }
  return outcome;
}

Outcome trial(Random& random, bool) {
  static const std::string path = scratch_path();
  static const std::string model = model_bytes(path);
  const size_t bytes = model.size();
  // Without the writer's fsync: a trial takes microseconds.
  std::ofstream(path, std::ios::binary) << model;
  // Half of the places within the header, which is a small part of the file.
  const size_t header = bytes - kTensors * kValues * sizeof(float);
  const size_t at = random.once_in(2) ? random.below(header) : random.below(bytes);
  Outcome outcome;
  if (random.once_in(2)) {
    if (::truncate(path.c_str(), static_cast<off_t>(at)) != 0) return {false, "cannot truncate"};
    outcome = read_all(path);
    if (outcome.accepted) outcome.problem = "accepted a file cut at " + std::to_string(at);
  } else {
    const Change change{random.below(3), at, random.below(200)};
    std::thread writer(apply, path, change);
    outcome = read_all(path);
    writer.join();
  }
  ::unlink(path.c_str());
  return outcome;
}

}  // namespace
}  // namespace simgpt::fuzz

int main(int count, char** arguments) {
  return simgpt::fuzz::run(count, arguments, {"changing_file", simgpt::fuzz::trial});
}
