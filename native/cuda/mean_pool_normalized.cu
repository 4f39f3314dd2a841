#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_bf16.h>

#include <algorithm>
#include <cstdio>

#include "launchers.h"

namespace simgpt::cuda {
namespace {

// A block works on one sequence. 256 threads keep 8 warps of loads in flight, which hides memory
// latency at the one load and one addition per element of this kernel.
constexpr int kThreads = 256;

template <int kWidth>
struct alignas(4 * kWidth) Floats {
  float at[kWidth];
};

template <int kWidth>
__device__ Floats<kWidth> load(const float* from) {
  return *reinterpret_cast<const Floats<kWidth>*>(from);
}

template <int kWidth>
__device__ Floats<kWidth> load(const __nv_bfloat16* from) {
  struct alignas(2 * kWidth) Packed {
    __nv_bfloat16 at[kWidth];
  };
  const Packed packed = *reinterpret_cast<const Packed*>(from);
  Floats<kWidth> wide;
#pragma unroll
  for (int k = 0; k < kWidth; ++k) wide.at[k] = __bfloat162float(packed.at[k]);
  return wide;
}

// Sum over the block; every thread gets it. scratch [32]
__device__ float block_sum(float value, float* scratch) {
  const int thread = threadIdx.y * blockDim.x + threadIdx.x;
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_down_sync(~0u, value, offset);
  if (thread % 32 == 0) scratch[thread / 32] = value;
  __syncthreads();
  float sum = 0;
  for (int warp = 0; warp < kThreads / 32; ++warp) sum += scratch[warp];
  return sum;
}

// Threads of one x share columns and take rows in turn (y); their partial sums meet in shared
// memory, so a short hidden size still keeps the whole block busy.
template <typename Element, int kWidth>
__global__ void __launch_bounds__(kThreads)
    mean_pool_normalized_kernel(const Element* __restrict__ hidden,
                                const int32_t* __restrict__ cu_seqlens, float* __restrict__ out,
                                int64_t tokens, int64_t hidden_size) {
  __shared__ Floats<kWidth> partial[kThreads];
  __shared__ float scratch[kThreads / 32];
  const int64_t sequence = blockIdx.x;
  // Device memory cannot be checked before the launch: wrong starts must not read outside.
  const int64_t begin = min(max(int64_t{cu_seqlens[sequence]}, int64_t{0}), tokens);
  const int64_t end = min(max(int64_t{cu_seqlens[sequence + 1]}, begin), tokens);
  const float inverse = end > begin ? 1.0f / static_cast<float>(end - begin) : 0.0f;
  float* row_out = out + sequence * hidden_size;

  float square = 0;
  for (int64_t tile = 0; tile < hidden_size; tile += int64_t{blockDim.x} * kWidth) {
    const int64_t column = tile + int64_t{threadIdx.x} * kWidth;
    Floats<kWidth> sum = {};
    if (column < hidden_size) {
      for (int64_t row = begin + threadIdx.y; row < end; row += blockDim.y) {
        const Floats<kWidth> state = load<kWidth>(hidden + row * hidden_size + column);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) sum.at[k] += state.at[k];
      }
    }
    partial[threadIdx.y * blockDim.x + threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < hidden_size) {
      for (int y = 1; y < blockDim.y; ++y) {
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          sum.at[k] += partial[y * blockDim.x + threadIdx.x].at[k];
        }
      }
#pragma unroll
      for (int k = 0; k < kWidth; ++k) {
        const float mean = sum.at[k] * inverse;
        row_out[column + k] = mean;
        square += mean * mean;
      }
    }
    __syncthreads();
  }

  const float scale = 1.0f / fmaxf(sqrtf(block_sum(square, scratch)), 1e-12f);
  if (threadIdx.y == 0) {
    // Each thread scales what it wrote itself.
    for (int64_t tile = 0; tile < hidden_size; tile += int64_t{blockDim.x} * kWidth) {
      const int64_t column = tile + int64_t{threadIdx.x} * kWidth;
      for (int k = 0; k < kWidth && column < hidden_size; ++k) row_out[column + k] *= scale;
    }
  }
}

template <typename Element, int kWidth>
void launch_as(const MeanPoolArguments& a, cudaStream_t stream) {
  // x: as many threads as there are groups of columns, a power of two so that it divides the block.
  int columns = 32;
  while (columns < kThreads && columns * kWidth < a.hidden_size) columns *= 2;
  const dim3 block(columns, kThreads / columns);
  mean_pool_normalized_kernel<Element, kWidth>
      <<<static_cast<unsigned>(a.sequences), block, 0, stream>>>(
          static_cast<const Element*>(a.hidden), a.cu_seqlens, a.out, a.tokens, a.hidden_size);
}

template <typename Element>
void launch(const MeanPoolArguments& a, cudaStream_t stream) {
  // Four columns a load: 16 bytes of float32, 8 of bfloat16, where every row starts aligned to it.
  constexpr int kWidth = 4;
  const bool aligned = a.hidden_size % kWidth == 0 &&
                       reinterpret_cast<uintptr_t>(a.hidden) % (kWidth * sizeof(Element)) == 0;
  if (aligned) {
    launch_as<Element, kWidth>(a, stream);
  } else {
    launch_as<Element, 1>(a, stream);
  }
}

}  // namespace

int mean_pool_normalized(const MeanPoolArguments* a, char* error, size_t error_bytes) {
  const bool empty = a->sequences == 0;
  const bool usable = a->tokens >= 0 && a->sequences >= 0 && a->sequences <= INT32_MAX &&
                      a->hidden_size > 0 && a->device >= 0 &&
                      (empty || (a->cu_seqlens != nullptr && a->out != nullptr)) &&
                      (a->tokens == 0 || a->hidden != nullptr);
  if (!usable) {
    std::snprintf(error, error_bytes, "expected hidden_size > 0 and non-null device pointers");
    return 1;
  }
  if (empty) return 0;
  try {
    const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(a->device));
    const cudaStream_t stream = c10::cuda::getCurrentCUDAStream(guard.current_device().index());
    if (a->type == ElementType::kBFloat16) {
      launch<__nv_bfloat16>(*a, stream);
    } else {
      launch<float>(*a, stream);
    }
  } catch (const std::exception& failure) {
    std::snprintf(error, error_bytes, "%s", failure.what());
    return 1;
  }
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess) {
    std::snprintf(error, error_bytes, "mean_pool_normalized: %s", cudaGetErrorString(status));
    return 1;
  }
  return 0;
}

}  // namespace simgpt::cuda
