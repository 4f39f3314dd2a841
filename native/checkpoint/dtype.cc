#include "checkpoint/dtype.h"

#include <array>
#include <bit>
#include <cstring>

namespace simgpt {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

namespace {

struct DtypeRow {
  Dtype dtype;
  const char* name;
  uint64_t bits;
};

// In the order of the enum.
constexpr std::array<DtypeRow, 22> kDtypes = {{
    {Dtype::kBool, "BOOL", 8},
    {Dtype::kF4, "F4", 4},
    {Dtype::kF6E2M3, "F6_E2M3", 6},
    {Dtype::kF6E3M2, "F6_E3M2", 6},
    {Dtype::kU8, "U8", 8},
    {Dtype::kI8, "I8", 8},
    {Dtype::kF8E5M2, "F8_E5M2", 8},
    {Dtype::kF8E4M3, "F8_E4M3", 8},
    {Dtype::kF8E8M0, "F8_E8M0", 8},
    {Dtype::kF8E4M3Fnuz, "F8_E4M3FNUZ", 8},
    {Dtype::kF8E5M2Fnuz, "F8_E5M2FNUZ", 8},
    {Dtype::kI16, "I16", 16},
    {Dtype::kU16, "U16", 16},
    {Dtype::kF16, "F16", 16},
    {Dtype::kBF16, "BF16", 16},
    {Dtype::kI32, "I32", 32},
    {Dtype::kU32, "U32", 32},
    {Dtype::kF32, "F32", 32},
    {Dtype::kC64, "C64", 64},
    {Dtype::kF64, "F64", 64},
    {Dtype::kI64, "I64", 64},
    {Dtype::kU64, "U64", 64},
}};

const DtypeRow& row_of(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)]; }

float widen_float16(uint16_t half) {
  constexpr uint32_t kExponent = 0x7C00u << 13;
  uint32_t bits = (half & 0x7FFFu) << 13;
  const uint32_t exponent = bits & kExponent;
  bits += (127u - 15u) << 23;
  if (exponent == kExponent) {
    bits += (128u - 16u) << 23;  // infinity and NaN keep their payload
  } else if (exponent == 0) {
    // A subnormal half is a normal float: let the subtraction renormalise it.
    bits = std::bit_cast<uint32_t>(std::bit_cast<float>(bits + (1u << 23)) -
                                   std::bit_cast<float>(113u << 23));
  }
  return std::bit_cast<float>(bits | (static_cast<uint32_t>(half & 0x8000u) << 16));
}

// magnitude: the bits of a float >= 0 and below 65,520
uint32_t narrow_float16(uint32_t magnitude) {
  if (magnitude < 113u << 23) {
    // Below 2^-14 a half counts units of 2^-24, which is what the last bit of a float at 0.5 is.
    return std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) -
           std::bit_cast<uint32_t>(0.5f);
  }
  const uint32_t odd = (magnitude >> 13) & 1;
  return (magnitude - (112u << 23) + 0xFFFu + odd) >> 13;
}

uint16_t load16(const unsigned char* at) {
  uint16_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

const char* dtype_name(Dtype dtype) { return row_of(dtype).name; }
uint64_t dtype_bits(Dtype dtype) { return row_of(dtype).bits; }

std::optional<Dtype> dtype_from_name(std::string_view name) {
  for (const DtypeRow& row : kDtypes) {
    if (name == row.name) return row.dtype;
  }
  return std::nullopt;
}

void float16_to_float32(const unsigned char* source, float* destination, size_t count) {
  for (size_t i = 0; i < count; ++i) destination[i] = widen_float16(load16(source + 2 * i));
}

void bfloat16_to_float32(const unsigned char* source, float* destination, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    destination[i] = std::bit_cast<float>(static_cast<uint32_t>(load16(source + 2 * i)) << 16);
  }
}

size_t float32_to_float16(const float* source, unsigned char* destination, size_t count) {
  constexpr uint32_t kTooLarge = 0x477FF000u;  // 65,520 rounds to infinity
  for (size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<uint32_t>(source[i]);
    const uint32_t magnitude = bits & 0x7FFFFFFFu;
    if (magnitude >= kTooLarge) return i;
    const auto half = static_cast<uint16_t>(narrow_float16(magnitude) | ((bits >> 16) & 0x8000u));
    std::memcpy(destination + 2 * i, &half, sizeof half);
  }
  return count;
}

}  // namespace simgpt
