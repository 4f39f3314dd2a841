// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): four 32-bit
// words as a function of a counter and a key. Plain functions, for the CPU and for CUDA kernels.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define SIMGPT_HOST_DEVICE __host__ __device__ __forceinline__
#else
// static: a file compiled for AVX-512 must not lend its copy to the others.
#define SIMGPT_HOST_DEVICE static inline
#endif

namespace simgpt {

constexpr uint32_t kPhiloxMultiplier0 = 0xD2511F53U;
constexpr uint32_t kPhiloxMultiplier1 = 0xCD9E8D57U;
constexpr uint32_t kPhiloxWeyl0 = 0x9E3779B9U;
constexpr uint32_t kPhiloxWeyl1 = 0xBB67AE85U;
constexpr int kPhiloxRounds = 10;

struct PhiloxBlock {
  uint32_t word[4];
};

SIMGPT_HOST_DEVICE PhiloxBlock philox4x32(PhiloxBlock counter, uint32_t key_low,
                                          uint32_t key_high) {
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t product0 = static_cast<uint64_t>(kPhiloxMultiplier0) * counter.word[0];
    const uint64_t product1 = static_cast<uint64_t>(kPhiloxMultiplier1) * counter.word[2];
    counter = {{static_cast<uint32_t>(product1 >> 32) ^ counter.word[1] ^ key_low,
                static_cast<uint32_t>(product1),
                static_cast<uint32_t>(product0 >> 32) ^ counter.word[3] ^ key_high,
                static_cast<uint32_t>(product0)}};
    key_low += kPhiloxWeyl0;
    key_high += kPhiloxWeyl1;
  }
  return counter;
}

}  // namespace simgpt
