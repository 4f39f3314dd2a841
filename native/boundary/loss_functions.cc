#include "loss_functions.h"

#include <ATen/ATen.h>

#include "arguments.h"
#include "entry.h"
#include "environment.h"
#include "loss_spec.h"
#include "results.h"

namespace simgpt {

namespace {

constexpr int64_t kMostRows = int64_t{1} << 31;

struct OwnedEmbeddings {
  int64_t examples = 0;
  OwnedNumbers anchors, positives, hard_negatives;
};

OwnedEmbeddings embeddings_argument(Napi::Value value) {
  const Fields fields(value, "embeddings");
  OwnedEmbeddings embeddings;
  embeddings.examples = fields.integer("examples", 1, kMostRows);
  const Napi::Value hard_negatives = fields.value("hardNegatives");
  embeddings.anchors = numbers_argument(fields.value("anchors"), "anchors");
  embeddings.positives = numbers_argument(fields.value("positives"), "positives");
  if (!hard_negatives.IsUndefined()) {
    embeddings.hard_negatives = numbers_argument(hard_negatives, "hardNegatives");
  }
  return embeddings;
}

LossResult compute(const LossSpec& spec, const OwnedEmbeddings& embeddings,
                   const OwnedLossInputs& inputs, LossBackend backend, const CancelToken& cancel) {
  const int64_t n = embeddings.examples;
  const auto dtype = embeddings.anchors.is_wide ? at::kDouble : at::kFloat;
  LossBatch batch = inputs.batch(n, dtype);
  batch.anchors = matrix_of(embeddings.anchors, n, "anchors");
  batch.positives = matrix_of(embeddings.positives, n, "positives");
  const auto hard = static_cast<int64_t>(inputs.owner.size());
  batch.hard_negatives = matrix_of(embeddings.hard_negatives, hard, "hardNegatives");
  return compute_loss(spec, batch, backend, cancel);
}

Napi::Value to_result(Napi::Env env, LossResult&& result) {
  Napi::Object object = to_loss_value(env, result);
  object.Set("anchors", to_typed_array(env, result.d_anchors));
  object.Set("positives", to_typed_array(env, result.d_positives));
  if (result.d_hard_negatives.defined()) {
    object.Set("hardNegatives", to_typed_array(env, result.d_hard_negatives));
  }
  return object;
}

}  // namespace

Napi::Value compute_loss_of(const Napi::CallbackInfo& info) {
  LossSpec spec = loss_spec_argument(info[0]);
  const auto backend = Fields::choose<LossBackend>(
      info[3], "backend", {{"reference", LossBackend::kReference}, {"fused", LossBackend::kFused}});
  const int64_t number = job_number_argument(info[4]);
  OwnedEmbeddings embeddings = embeddings_argument(info[1]);
  OwnedLossInputs inputs = loss_inputs_argument(info[2]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [spec = std::move(spec), embeddings = std::move(embeddings), inputs = std::move(inputs),
       backend](const CancelToken& cancel, const ReportProgress&) {
        return compute(spec, embeddings, inputs, backend, cancel);
      },
      to_result);
}

}  // namespace simgpt
