// Keyed 64-bit hashing of short byte strings. The key is drawn once per process, so a file or text
// cannot be made to collide; no result depends on it.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>

namespace simgpt {

inline uint64_t hash_key() {
  static const uint64_t key = [] {
    std::random_device device;
    return (uint64_t{device()} << 32 | device()) | 1;
  }();
  return key;
}

inline uint64_t hash_mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_bytes(std::string_view bytes, uint64_t key) {
  uint64_t hash = key ^ bytes.size();
  while (bytes.size() > 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    hash = hash_mix(hash ^ word, 0x9E3779B97F4A7C15u);
    bytes.remove_prefix(8);
  }
  uint64_t word = 0;
  if (!bytes.empty()) std::memcpy(&word, bytes.data(), bytes.size());
  return hash_mix(hash ^ word, 0xD6E8FEB86659FD93u);
}

}  // namespace simgpt
