#define SIMGPT_KERNEL_SET baseline
#define SIMGPT_VECTOR_BYTES 16
#include "train/kernels.inc"
