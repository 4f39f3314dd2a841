#include "loss_spec.h"

#include <ATen/ATen.h>

#include <limits>

#include "results.h"

namespace simgpt {

namespace {

constexpr double kMost = std::numeric_limits<double>::max();
constexpr double kLeast = std::numeric_limits<double>::min();  // > 0
constexpr size_t kMostLosses = 64;

enum class Kind {
  kInfoNce,
  kEnergyHinge,
  kMultiCsr,
  kQwen3,
  kCoSent,
  kTriplet,
  kDistillation,
  kMatryoshka
};

double temperature_of(const Fields& fields) { return fields.number("temperature", kLeast, kMost); }

InfoNceLoss info_nce_of(const Fields& fields) {
  InfoNceLoss loss;
  loss.temperature = temperature_of(fields);
  loss.hard_negative_weight = fields.number("hardNegativeWeight", -kMost, kMost);
  loss.symmetric_weight = fields.number("symmetricWeight", 0, kMost);
  loss.learns_temperature = fields.boolean("learnsTemperature");
  loss.exclusion.above = fields.optional_number("excludeAbove", -kMost, kMost);
  loss.exclusion.margin = fields.optional_number("excludeMargin", -kMost, kMost);
  return loss;
}

DistillationLoss distillation_of(const Fields& fields) {
  using Target = DistillationLoss::Target;
  using Objective = DistillationLoss::Objective;
  DistillationLoss loss;
  loss.target = fields.choice<Target>("target", {{"vectors", Target::kVectors},
                                                 {"similarities", Target::kSimilarities},
                                                 {"scores", Target::kScores}});
  loss.objective =
      fields.choice<Objective>("objective", {{"mse", Objective::kMse}, {"kl", Objective::kKl}});
  loss.temperature = temperature_of(fields);
  loss.teacher_temperature = fields.number("teacherTemperature", kLeast, kMost);
  return loss;
}

LossSpec terms_of(const std::vector<Napi::Value>& values, const std::string& name);

MatryoshkaLoss matryoshka_of(const Fields& fields) {
  MatryoshkaLoss loss;
  loss.terms = terms_of(fields.array("losses", kMostLosses), fields.name_of("losses"));
  for (const int32_t size : integers_argument(fields.value("sizes"), fields.name_of("sizes"))) {
    loss.sizes.push_back(size);
  }
  const OwnedNumbers weights = numbers_argument(fields.value("weights"), fields.name_of("weights"));
  if (!weights.is_wide) {
    throw_wrong_type(fields.name_of("weights"), "a Float64Array", fields.value("weights"));
  }
  loss.weights = weights.wide;
  return loss;
}

LossKind kind_of(const Fields& fields) {
  const auto kind = fields.choice<Kind>("kind", {{"infoNce", Kind::kInfoNce},
                                                 {"energyHinge", Kind::kEnergyHinge},
                                                 {"multiCsr", Kind::kMultiCsr},
                                                 {"qwen3", Kind::kQwen3},
                                                 {"coSent", Kind::kCoSent},
                                                 {"triplet", Kind::kTriplet},
                                                 {"distillation", Kind::kDistillation},
                                                 {"matryoshka", Kind::kMatryoshka}});
  switch (kind) {
    case Kind::kInfoNce:
      return info_nce_of(fields);
    case Kind::kEnergyHinge:
      return EnergyHingeLoss{fields.number("margin", -kMost, kMost)};
    case Kind::kMultiCsr:
      return MultiCsrLoss{temperature_of(fields), fields.number("above", -kMost, kMost),
                          fields.boolean("zeroScore")};
    case Kind::kQwen3:
      return Qwen3Loss{temperature_of(fields), fields.number("margin", -kMost, kMost),
                       fields.boolean("otherHardNegatives")};
    case Kind::kCoSent:
      return CoSentLoss{temperature_of(fields)};
    case Kind::kTriplet:
      return TripletLoss{fields.number("margin", -kMost, kMost)};
    case Kind::kDistillation:
      return distillation_of(fields);
    case Kind::kMatryoshka:
      return matryoshka_of(fields);
  }
  throw Error("nativeFailure", "a kind of loss without a form");
}

LossSpec terms_of(const std::vector<Napi::Value>& values, const std::string& name) {
  LossSpec spec;
  for (size_t i = 0; i < values.size(); ++i) {
    const Fields fields(values[i], name + "[" + std::to_string(i) + "]");
    spec.push_back({kind_of(fields), fields.number("weight", -kMost, kMost)});
  }
  return spec;
}

std::vector<int32_t> optional_integers(const Fields& fields, const char* field) {
  const Napi::Value value = fields.value(field);
  if (value.IsUndefined()) return {};
  return integers_argument(value, fields.name_of(field));
}

OwnedNumbers optional_numbers(const Fields& fields, const char* field) {
  const Napi::Value value = fields.value(field);
  return value.IsUndefined() ? OwnedNumbers{} : numbers_argument(value, fields.name_of(field));
}

at::Tensor tensor_of(const OwnedNumbers& numbers) {
  const auto count = static_cast<int64_t>(numbers.size());
  at::Tensor tensor = at::empty({count}, numbers.is_wide ? at::kDouble : at::kFloat);
  if (numbers.is_wide) {
    std::copy(numbers.wide.begin(), numbers.wide.end(), tensor.data_ptr<double>());
  } else {
    std::copy(numbers.narrow.begin(), numbers.narrow.end(), tensor.data_ptr<float>());
  }
  return tensor;
}

at::Tensor ids_of(const std::vector<int32_t>& ids) {
  if (ids.empty()) return {};
  at::Tensor tensor = at::empty({static_cast<int64_t>(ids.size())}, at::kLong);
  std::copy(ids.begin(), ids.end(), tensor.data_ptr<int64_t>());
  return tensor;
}

}  // namespace

LossSpec loss_spec_argument(Napi::Value value) {
  if (!value.IsArray()) throw_wrong_type("losses", "an array", value);
  Napi::Object holder = Napi::Object::New(value.Env());
  holder.Set("losses", value);
  return terms_of(Fields(holder, "loss").array("losses", kMostLosses), "losses");
}

at::Tensor matrix_of(const OwnedNumbers& numbers, int64_t rows, const char* name) {
  if (numbers.size() == 0) return {};
  const auto count = static_cast<int64_t>(numbers.size());
  if (rows <= 0 || count % rows != 0) {
    throw Error(ErrorKind::kRange, std::string("expected ") + name + " of " + std::to_string(rows) +
                                       " rows of one width, received " + std::to_string(count) +
                                       " numbers");
  }
  return tensor_of(numbers).view({rows, count / rows});
}

OwnedLossInputs loss_inputs_argument(Napi::Value value) {
  const Fields fields(value, "inputs");
  OwnedLossInputs inputs;
  inputs.owner = optional_integers(fields, "owner");
  inputs.group_ids = optional_integers(fields, "groupIds");
  inputs.text_ids = optional_integers(fields, "textIds");
  inputs.row_weights = optional_numbers(fields, "rowWeights");
  inputs.grades = optional_numbers(fields, "grades");
  inputs.teacher_scores = optional_numbers(fields, "teacherScores");
  inputs.reference_anchors = optional_numbers(fields, "referenceAnchors");
  inputs.reference_candidates = optional_numbers(fields, "referenceCandidates");
  inputs.teacher_anchors = optional_numbers(fields, "teacherAnchors");
  inputs.teacher_candidates = optional_numbers(fields, "teacherCandidates");
  return inputs;
}

LossBatch OwnedLossInputs::batch(int64_t n, at::ScalarType dtype) const {
  const int64_t m = n + static_cast<int64_t>(owner.size());
  const auto list = [&](const OwnedNumbers& numbers) {
    return numbers.size() == 0 ? at::Tensor() : tensor_of(numbers).to(dtype);
  };
  const auto rows = [&](const OwnedNumbers& numbers, int64_t count, const char* name) {
    const at::Tensor matrix = matrix_of(numbers, count, name);
    return matrix.defined() ? matrix.to(dtype) : matrix;
  };
  LossBatch batch;
  batch.owner = ids_of(owner);
  batch.group_ids = ids_of(group_ids);
  batch.text_ids = ids_of(text_ids);
  batch.row_weights = list(row_weights);
  batch.grades = list(grades);
  batch.teacher_scores = list(teacher_scores);
  batch.reference_anchors = rows(reference_anchors, n, "referenceAnchors");
  batch.reference_candidates = rows(reference_candidates, m, "referenceCandidates");
  batch.teacher_anchors = rows(teacher_anchors, n, "teacherAnchors");
  batch.teacher_candidates = rows(teacher_candidates, m, "teacherCandidates");
  return batch;
}

Napi::Object to_loss_value(Napi::Env env, const LossResult& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("value", result.value);
  Napi::Array parts = Napi::Array::New(env, result.parts.size());
  for (size_t i = 0; i < result.parts.size(); ++i) {
    Napi::Array part = Napi::Array::New(env, 2);
    part.Set(0U, result.parts[i].first);
    part.Set(1U, result.parts[i].second);
    parts.Set(static_cast<uint32_t>(i), part);
  }
  object.Set("parts", parts);
  object.Set("dLogTemperature", result.d_log_temperature);
  object.Set("rowLosses", to_typed_array(env, result.row_losses));
  return object;
}

}  // namespace simgpt
