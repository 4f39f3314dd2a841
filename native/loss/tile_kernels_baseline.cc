#define SIMGPT_TILE_WIDTH 4
#define SIMGPT_TILE_ROWS 6
#include "loss/tile_kernels_impl.h"

namespace simgpt {

const TileKernels& tile_kernels_baseline() { return kKernels; }

}  // namespace simgpt
