#define SIMGPT_TILE_WIDTH 16
#define SIMGPT_TILE_ROWS 12
#include "loss/tile_kernels_impl.h"

namespace simgpt {

const TileKernels& tile_kernels_avx512() { return kKernels; }

}  // namespace simgpt
