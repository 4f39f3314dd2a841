// What this machine can run and how many threads may work: detected at run time, never at build
// time (one build meets AVX2 and AVX-512 machines).
#pragma once

#include <optional>
#include <string>

namespace simgpt {

// The instruction sets a back end may be chosen by. kAvx2 asks for AVX2, FMA and F16C, kAvx512 for
// the F, BW, CD, DQ and VL parts; each only where the operating system saves the registers.
enum class CpuLevel { kBaseline, kAvx2, kAvx512 };

struct CpuFeatures {
  CpuLevel level = CpuLevel::kBaseline;
  bool avx2 = false;
  bool avx512 = false;
  bool vnni = false;  // 8-bit dot products: AVX512_VNNI, or AVX_VNNI where AVX-512 is absent
  bool bf16 = false;  // AVX512_BF16
  bool amx = false;   // AMX tiles with bfloat16 and int8
  std::string brand;  // as the processor names itself; empty where it does not
};

// Detected once. SIMGPT_CPU_LEVEL (baseline, avx2 or avx512) lowers the level, never raises it;
// throws Error(kRange) for other values.
const CpuFeatures& cpu_features();
inline CpuLevel cpu_level() { return cpu_features().level; }
const char* cpu_level_name(CpuLevel level);  // "baseline", "avx2", "avx512"

// Processors this process may run on.
int affinity_count();
// Processors' worth of time the cgroup grants (v2 cpu.max, v1 cpu.cfs_quota_us), the least along
// its path; absent where unlimited. The two paths are parameters for tests.
std::optional<double> cgroup_quota(const std::string& process_cgroup = "/proc/self/cgroup",
                                   const std::string& mount = "/sys/fs/cgroup");
// min(affinity, quota rounded up), at least 1.
int default_thread_count();

constexpr int kMaxThreads = 1024;
// Reads a thread count from text; throws Error(kRange) for anything but an integer 1 ..
// kMaxThreads.
int parse_thread_count(const std::string& name, const std::string& text);

// The one thread count of this process: apply_threads, else SIMGPT_THREADS, else the default.
// What LibTorch, OpenMP, MKL and our own kernels use on a lane thread.
int thread_count();
void set_thread_count(int threads);
// Makes the calling thread's OpenMP, MKL and LibTorch pools follow thread_count(). OpenMP keeps its
// count per calling thread, so each lane calls this before a job; nothing is done when unchanged.
void apply_threads();

}  // namespace simgpt
