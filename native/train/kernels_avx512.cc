#define SIMGPT_KERNEL_SET avx512
#define SIMGPT_VECTOR_BYTES 64
#include "train/kernels.inc"
