// The element types a safetensors header can name, and conversion of the 16-bit floats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace simgpt {

enum class Dtype {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E4M3Fnuz,
  kF8E5M2Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

const char* dtype_name(Dtype dtype);  // as the header writes it: "F32"
uint64_t dtype_bits(Dtype dtype);     // of one element; F4 and F6 are packed
std::optional<Dtype> dtype_from_name(std::string_view name);

// Exact: every float16 and bfloat16 is a float32. Sources need no alignment.
void float16_to_float32(const unsigned char* source, float* destination, size_t count);
void bfloat16_to_float32(const unsigned char* source, float* destination, size_t count);

// To the nearest float16, ties to even. Returns the place of the first value that has none (not
// finite, or 65,520 and above), count where every one has. The destination needs no alignment.
size_t float32_to_float16(const float* source, unsigned char* destination, size_t count);

}  // namespace simgpt
