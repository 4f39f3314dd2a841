// What a training handle is made from and asked for, as JavaScript gives it
// (ts/native_training.ts).
#pragma once

#include "../train/training.h"
#include "arguments.h"
#include "napi.h"

namespace simgpt {

// { trains }
Trains trains_of(const Fields& fields);
// encoder: NativeEncoderSpec; value: NativeTrainSpec
TrainSpec train_spec_argument(Napi::Value encoder, Napi::Value value);

// wide: embeddings are float64
ExampleRequest examples_argument(Napi::Value value);
AccumulateRequest accumulate_argument(Napi::Value value, bool wide);

struct StepRequest {
  AdamWOptions options;
  double learning_rate = 0;
  std::optional<double> max_norm;
};
StepRequest step_argument(Napi::Value value);

Napi::Value to_accumulate_result(Napi::Env env, AccumulateOutcome&& outcome);
Napi::Value to_step_result(Napi::Env env, StepResult&& result);

}  // namespace simgpt
