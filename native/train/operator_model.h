// The trainable encoder in plain operators: Backend::kReference on the CPU, Backend::kCuda on the
// first CUDA device.
#pragma once

#include <memory>

#include "train/trainable.h"

namespace simgpt {

// `spec` was checked. Throws Error("deviceUnavailable") where CUDA cannot be used.
std::unique_ptr<TrainableModel> make_operator_model(const TrainSpec& spec,
                                                    const CancelToken& cancel);

}  // namespace simgpt
