#include "driver.h"

#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string_view>

namespace {

std::atomic<int64_t> live{0};
std::atomic<int64_t> peak{0};

// Each block carries its size, so that freeing needs no help from the allocator.
constexpr size_t kPrefix = 16;

void* allocate(size_t bytes) {
  void* block = std::malloc(bytes + kPrefix);
  if (block == nullptr) throw std::bad_alloc();
  *static_cast<size_t*>(block) = bytes;
  const int64_t now = live += static_cast<int64_t>(bytes);
  int64_t most = peak;
  while (now > most && !peak.compare_exchange_weak(most, now)) {
  }
  return static_cast<char*>(block) + kPrefix;
}

void release(void* pointer) {
  if (pointer == nullptr) return;
  void* block = static_cast<char*>(pointer) - kPrefix;
  live -= static_cast<int64_t>(*static_cast<size_t*>(block));
  std::free(block);
}

}  // namespace

void* operator new(size_t bytes) { return allocate(bytes); }
void* operator new[](size_t bytes) { return allocate(bytes); }
void operator delete(void* pointer) noexcept { release(pointer); }
void operator delete[](void* pointer) noexcept { release(pointer); }
void operator delete(void* pointer, size_t) noexcept { release(pointer); }
void operator delete[](void* pointer, size_t) noexcept { release(pointer); }

namespace simgpt::fuzz {

uint64_t Random::next() {
  uint64_t value = state_ += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

int64_t live_bytes() { return live; }
int64_t peak_bytes() { return peak; }
void reset_peak() { peak = live.load(); }

int run(int count, char** arguments, const Target& target) {
  uint64_t seed = 1, trials = 1000, begin = 0;
  bool replay = false;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view flag = arguments[i];
    const uint64_t value = std::strtoull(arguments[i + 1], nullptr, 10);
    if (flag == "--seed") seed = value;
    if (flag == "--count") trials = value;
    if (flag == "--replay") replay = true, begin = value;
  }
  const uint64_t end = replay ? begin + 1 : trials;
  uint64_t accepted = 0;
  double slowest_ms = 0;
  const auto clock = [] { return std::chrono::steady_clock::now(); };
  for (uint64_t trial = begin; trial < end; ++trial) {
    Random random(seed, trial);
    const auto start = clock();
    const Outcome outcome = target.trial(random, replay);
    const std::chrono::duration<double, std::milli> took = clock() - start;
    slowest_ms = std::max(slowest_ms, took.count());
    accepted += outcome.accepted ? 1 : 0;
    if (!outcome.problem.empty()) {
      std::fprintf(stderr, "%s: seed %llu, trial %llu: %s (again with --replay %llu)\n", target.id,
                   static_cast<unsigned long long>(seed), static_cast<unsigned long long>(trial),
                   outcome.problem.c_str(), static_cast<unsigned long long>(trial));
      return 1;
    }
  }
  std::printf("%s: seed %llu, %llu trials, %llu accepted, 0 reports, slowest %.1f ms\n", target.id,
              static_cast<unsigned long long>(seed), static_cast<unsigned long long>(end - begin),
              static_cast<unsigned long long>(accepted), slowest_ms);
  return 0;
}

}  // namespace simgpt::fuzz
