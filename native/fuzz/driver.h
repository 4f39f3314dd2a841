// What every fuzz driver shares: seeded randomness, a count of live bytes, the command line.
//
//   <id>_fuzz --seed S --count N [--replay I]
//
// Trial i of seed s is a pure function of (s, i): --replay I runs that one alone and prints it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace simgpt::fuzz {

// SplitMix64.
class Random {
 public:
  Random(uint64_t seed, uint64_t trial) : state_(seed * 0x9E3779B97F4A7C15u ^ trial) { next(); }
  uint64_t next();
  size_t below(size_t limit) { return limit == 0 ? 0 : next() % limit; }
  bool once_in(size_t n) { return below(n) == 0; }
  template <typename T>
  const T& pick(const std::vector<T>& values) {
    return values[below(values.size())];
  }

 private:
  uint64_t state_;
};

// Bytes that operator new gave and that are not freed, and their maximum since reset.
int64_t live_bytes();
int64_t peak_bytes();
void reset_peak();

// One trial's outcome; a crash or a sanitizer report ends the process instead.
struct Outcome {
  bool accepted = false;
  std::string problem;  // empty, or what broke a promise
};

struct Target {
  const char* id;
  // show: print the input, for --replay
  Outcome (*trial)(Random& random, bool show);
};

// Runs the trials, prints counts, and returns the process's exit code.
int run(int count, char** arguments, const Target& target);

}  // namespace simgpt::fuzz
