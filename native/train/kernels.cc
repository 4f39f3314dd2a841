#include "train/kernels.h"

#include "cpu/cpu.h"

namespace simgpt {

namespace baseline {
extern const TrainKernels<float> float_kernels;
extern const TrainKernels<double> double_kernels;
}  // namespace baseline
namespace avx2 {
extern const TrainKernels<float> float_kernels;
extern const TrainKernels<double> double_kernels;
}  // namespace avx2
namespace avx512 {
extern const TrainKernels<float> float_kernels;
extern const TrainKernels<double> double_kernels;
}  // namespace avx512

template <>
const TrainKernels<float>& train_kernels() {
  switch (cpu_level()) {
    case CpuLevel::kAvx512:
      return avx512::float_kernels;
    case CpuLevel::kAvx2:
      return avx2::float_kernels;
    case CpuLevel::kBaseline:
      break;
  }
  return baseline::float_kernels;
}

template <>
const TrainKernels<double>& train_kernels() {
  switch (cpu_level()) {
    case CpuLevel::kAvx512:
      return avx512::double_kernels;
    case CpuLevel::kAvx2:
      return avx2::double_kernels;
    case CpuLevel::kBaseline:
      break;
  }
  return baseline::double_kernels;
}

}  // namespace simgpt
