// Checks what a trainable model is made from.
#pragma once

#include "train/trainable.h"

namespace simgpt {

// Throws RangeError-kind naming the field, or Error("unsupported") for what cannot train.
void check_spec(const TrainSpec& spec);

// Throws RangeError-kind where masked language modelling is asked for and cannot be.
void check_masking(const AccumulateOptions& options, const TrainSpec& spec);

}  // namespace simgpt
