#define SIMGPT_KERNEL_SET avx2
#define SIMGPT_VECTOR_BYTES 32
#include "train/kernels.inc"
