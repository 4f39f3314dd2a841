// The table of entry points of simgpt_cuda.so, the one part compiled with CUDA headers. The addon
// never links it: plugin_loader opens it at the first use of device cuda. Plain C types only, and
// every pointer is device memory unless said otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simgpt::cuda {

enum class ElementType : int32_t { kFloat32 = 0, kBFloat16 = 1 };

// Masked mean of each sequence's rows, then unit length: METHODS 1.3, one pass over packed rows.
struct MeanPoolArguments {
  const void* hidden;         // [tokens, hidden_size], contiguous
  const int32_t* cu_seqlens;  // [sequences + 1], first 0, last tokens
  float* out;                 // [sequences, hidden_size]; an empty sequence gives zeros
  int64_t tokens;
  int64_t sequences;
  int64_t hidden_size;
  ElementType type;
  int32_t device;
};

// An entry point returns 0, or non-zero with one sentence in `error`.
struct PluginTable {
  // What the loader compares with the addon's own, in this order and before anything else.
  size_t table_bytes;
  const char* libtorch;     // release, as "2.11.0"
  const char* cxx_abi;      // kCxxAbi
  const char* source_hash;  // over this header and the .cu files

  int (*device_count)(int32_t* count, char* error, size_t error_bytes);
  int (*mean_pool_normalized)(const MeanPoolArguments* arguments, char* error, size_t error_bytes);
};

#define SIMGPT_STRINGIFY_(x) #x
#define SIMGPT_STRINGIFY(x) SIMGPT_STRINGIFY_(x)
// The compiler's C++ ABI and the library's string ABI.
inline constexpr const char kCxxAbi[] =
    "gxx" SIMGPT_STRINGIFY(__GXX_ABI_VERSION) "-cxx11" SIMGPT_STRINGIFY(_GLIBCXX_USE_CXX11_ABI);

inline constexpr const char kPluginSymbol[] = "simgpt_cuda_plugin";
using PluginFunction = const PluginTable* (*)();

}  // namespace simgpt::cuda
