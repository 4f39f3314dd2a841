// What the .cu files give to the table in plugin.cu.
#pragma once

#include "plugin.h"

namespace simgpt::cuda {

int mean_pool_normalized(const MeanPoolArguments* arguments, char* error, size_t error_bytes);

}  // namespace simgpt::cuda
