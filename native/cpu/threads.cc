// One thread count for LibTorch, OpenMP, MKL and our own kernels.
#include <ATen/Parallel.h>

#include <atomic>
#include <cstdlib>

#include "../error.h"
#include "cpu.h"

namespace simgpt {

namespace {

int initial_thread_count() {
  const char* text = std::getenv("SIMGPT_THREADS");
  if (text == nullptr || *text == '\0') return default_thread_count();
  return parse_thread_count("SIMGPT_THREADS", text);
}

// A throwing initialiser runs again at the next call, so a bad SIMGPT_THREADS is reported each
// time.
std::atomic<int>& count() {
  static std::atomic<int> value{initial_thread_count()};
  return value;
}

}  // namespace

int parse_thread_count(const std::string& name, const std::string& text) {
  int64_t value = 0;
  bool valid = !text.empty() && text.size() <= 4;
  for (const char digit : text) {
    valid = valid && digit >= '0' && digit <= '9';
    if (valid) value = value * 10 + (digit - '0');
  }
  if (!valid || value < 1 || value > kMaxThreads) {
    throw Error(ErrorKind::kRange, "expected " + name + " to be an integer from 1 to " +
                                       std::to_string(kMaxThreads) + ", received '" +
                                       text.substr(0, 40) + "'");
  }
  return static_cast<int>(value);
}

int thread_count() { return count().load(std::memory_order_relaxed); }

void set_thread_count(int threads) {
  if (threads < 1 || threads > kMaxThreads) {
    throw Error(ErrorKind::kRange, "expected threads from 1 to " + std::to_string(kMaxThreads) +
                                       ", received " + std::to_string(threads));
  }
  count().store(threads, std::memory_order_relaxed);
}

void apply_threads() {
  thread_local int applied = 0;
  const int wanted = thread_count();
  if (wanted == applied) return;
  at::set_num_threads(wanted);  // OpenMP and MKL of this thread, with MKL's dynamic choice off
  applied = wanted;
}

}  // namespace simgpt
