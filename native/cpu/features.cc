// CPUID with the operating system's register state (XGETBV): a flag alone says what the silicon
// has, not what the kernel saves at a context switch.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "cpu.h"
#include "error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace simgpt {

namespace {

#if defined(__x86_64__)

struct Registers {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

bool bit(uint32_t word, int index) { return (word >> index) & 1u; }

// XCR0: which register files the kernel saves.
uint64_t saved_state() {
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

std::string brand_string() {
  if (cpuid(0x80000000u).eax < 0x80000004u) return {};
  char text[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002u + i);
    std::memcpy(text + 16 * i, &r, 16);
  }
  const std::string brand(text);
  const size_t first = brand.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return brand.substr(first, brand.find_last_not_of(' ') - first + 1);
}

CpuFeatures detect() {
  constexpr uint64_t kYmm = 0x6;        // SSE and AVX halves
  constexpr uint64_t kZmm = 0xe6;       // and opmask, upper ZMM, ZMM16-31
  constexpr uint64_t kTiles = 0x60000;  // XTILECFG, XTILEDATA
  CpuFeatures features;
  features.brand = brand_string();
  const Registers basic = cpuid(1);
  if (!bit(basic.ecx, 27)) return features;  // OSXSAVE
  const uint64_t saved = saved_state();
  const Registers extended = cpuid(7);
  const Registers more = extended.eax >= 1 ? cpuid(7, 1) : Registers{};

  features.avx2 = (saved & kYmm) == kYmm && bit(basic.ecx, 28) && bit(extended.ebx, 5) &&
                  bit(basic.ecx, 12) /* FMA */ && bit(basic.ecx, 29) /* F16C */;
  features.avx512 = features.avx2 && (saved & kZmm) == kZmm && bit(extended.ebx, 16) /* F */ &&
                    bit(extended.ebx, 17) /* DQ */ && bit(extended.ebx, 28) /* CD */ &&
                    bit(extended.ebx, 30) /* BW */ && bit(extended.ebx, 31) /* VL */;
  features.vnni = (features.avx512 && bit(extended.ecx, 11)) || (features.avx2 && bit(more.eax, 4));
  features.bf16 = features.avx512 && bit(more.eax, 5);
  features.amx = features.avx512 && (saved & kTiles) == kTiles && bit(extended.edx, 22) &&
                 bit(extended.edx, 24) && bit(extended.edx, 25);
  features.level = features.avx512 ? CpuLevel::kAvx512
                   : features.avx2 ? CpuLevel::kAvx2
                                   : CpuLevel::kBaseline;
  return features;
}

#else

CpuFeatures detect() { return {}; }

#endif

}  // namespace

namespace {

// What SIMGPT_CPU_LEVEL leaves of the features: a wide machine can stand in for a narrow one.
CpuFeatures capped(CpuFeatures features) {
  const char* text = std::getenv("SIMGPT_CPU_LEVEL");
  if (text == nullptr || *text == '\0') return features;
  const std::string_view level = text;
  if (level != "baseline" && level != "avx2" && level != "avx512") {
    throw Error(ErrorKind::kRange,
                "expected SIMGPT_CPU_LEVEL to be baseline, avx2 or avx512, received '" +
                    std::string(level.substr(0, 40)) + "'");
  }
  if (level == "avx512") return features;
  features.avx512 = features.bf16 = features.amx = features.vnni = false;
  features.avx2 = features.avx2 && level == "avx2";
  features.level = features.avx2 ? CpuLevel::kAvx2 : CpuLevel::kBaseline;
  return features;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = capped(detect());
  return features;
}

const char* cpu_level_name(CpuLevel level) {
  switch (level) {
    case CpuLevel::kAvx512:
      return "avx512";
    case CpuLevel::kAvx2:
      return "avx2";
    case CpuLevel::kBaseline:
      break;
  }
  return "baseline";
}

}  // namespace simgpt
