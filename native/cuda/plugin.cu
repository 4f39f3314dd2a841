#include <cuda_runtime_api.h>
#include <torch/headeronly/version.h>

#include <cstdio>

#include "launchers.h"

namespace simgpt::cuda {
namespace {

int device_count(int32_t* count, char* error, size_t error_bytes) {
  int found = 0;
  if (const cudaError_t status = cudaGetDeviceCount(&found); status != cudaSuccess) {
    std::snprintf(error, error_bytes, "%s", cudaGetErrorString(status));
    return 1;
  }
  *count = found;
  return 0;
}

constexpr PluginTable kTable = {
    sizeof(PluginTable), TORCH_VERSION, kCxxAbi,
    SIMGPT_PLUGIN_HASH,  device_count,  mean_pool_normalized,
};

}  // namespace
}  // namespace simgpt::cuda

extern "C" __attribute__((visibility("default"))) const simgpt::cuda::PluginTable*
simgpt_cuda_plugin() {
  return &simgpt::cuda::kTable;
}
