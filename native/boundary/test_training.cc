#include "test_training.h"

#include <ATen/ATen.h>

#include <cmath>

#include "../train/draw_operators.h"
#include "../train/draws.h"
#include "../train/kernels.h"
#include "../train/trainable.h"
#include "../train/training.h"
#include "arguments.h"
#include "encoder_spec.h"
#include "environment.h"
#include "handles.h"
#include "results.h"
#include "training_spec.h"

namespace simgpt {
namespace {

constexpr int64_t kMost = int64_t{1} << 31;

std::vector<int64_t> integers(const Fields& fields, const char* name) {
  std::vector<int64_t> values;
  for (const Napi::Value value : fields.array(name, 1 << 20)) {
    values.push_back(integer_argument(value, name, 0, kMaxInteger));
  }
  return values;
}

// { trains, freshHead?, headWhenEvaluating?, hiddenDropout, attentionDropout, promptLength?,
//   promptProjection?, loraRank?, loraAlpha?, maskRate?, maskTokenId?, specialIds?, seed? }
TrainSpec train_spec(const EncoderSpec& encoder, const Fields& fields) {
  TrainSpec spec;
  spec.encoder = encoder;
  spec.trains = trains_of(fields);
  spec.fresh_head = fields.boolean_or("freshHead", false);
  spec.head_when_evaluating = fields.boolean_or("headWhenEvaluating", true);
  spec.hidden_dropout = fields.number("hiddenDropout", -2, 2);
  spec.attention_dropout = fields.number("attentionDropout", -2, 2);
  spec.prompt_length = fields.integer_or("promptLength", 0, 0, kMost);
  spec.prompt_projection = fields.integer_or("promptProjection", 0, 0, kMost);
  spec.lora_rank = fields.integer_or("loraRank", 4, 0, kMost);
  spec.lora_alpha = static_cast<double>(fields.integer_or("loraAlpha", 8, 0, kMost));
  spec.seed = static_cast<uint64_t>(fields.integer_or("seed", 0, 0, kMaxInteger));
  if (fields.boolean_or("mlm", false)) {
    MlmSpec mlm;
    mlm.mask_rate = fields.number("maskRate", 0, 1);
    mlm.mask_token_id = static_cast<int32_t>(fields.integer("maskTokenId", 0, kMost));
    for (const int64_t id : integers(fields, "specialIds")) {
      mlm.special_ids.push_back(static_cast<int32_t>(id));
    }
    spec.mlm = mlm;
  }
  return spec;
}

// { exampleIds, roles, dropoutSeed?, step?, chunkTokens?, mlmWeight?, engine, change?, delta?,
//   changeAll?, evaluate? }
struct Probe {
  bool operators = false, evaluates = false, interrupts = false;
  std::vector<int64_t> example_ids, roles;
  AccumulateOptions options;
  std::string changed;  // a parameter; "": none
  int64_t index = 0;    // which number of it, -1: all, by a fixed pattern
  double delta = 0;
};

Probe probe_of(const Fields& fields) {
  Probe probe;
  probe.operators = fields.choice<bool>("engine", {{"packed", false}, {"operators", true}});
  probe.evaluates = fields.boolean_or("evaluates", false);
  probe.interrupts = fields.boolean_or("interrupts", false);
  probe.example_ids = integers(fields, "exampleIds");
  probe.roles = integers(fields, "roles");
  const int64_t step = fields.integer_or("step", -1, -1, 0xFFFFFFFF);
  if (step >= 0) {
    probe.options.dropout =
        DropoutKey{static_cast<uint64_t>(fields.integer_or("dropoutSeed", 0, 0, kMaxInteger)),
                   static_cast<uint32_t>(step)};
  }
  probe.options.chunk_tokens = fields.integer_or("chunkTokens", 0, 0, kMost);
  probe.options.mlm_weight = fields.number("mlmWeight", 0, 10);
  probe.changed = fields.string("changed");
  probe.index = fields.integer_or("index", 0, -1, kMost);
  probe.delta = fields.number("delta", -1e308, 1e308);
  return probe;
}

struct ProbeResult {
  at::Tensor embeddings;
  double loss = 0, mlm_loss = 0;
  int64_t masked = 0, chunks = 0, bytes = 0;
  std::vector<Parameter> parameters;
  std::vector<std::pair<std::string, at::Tensor>> checkpoint, adapter;
  std::string interrupted, not_finite;
};

// A loss that couples all rows: sum of fixed weights times numbers, plus half the square of the sum
// of the rows.
at::Tensor loss_weights(const at::Tensor& embeddings) {
  const at::Tensor rows = at::arange(embeddings.size(0), embeddings.options()).unsqueeze(1);
  const at::Tensor columns = at::arange(embeddings.size(1), embeddings.options());
  return at::sin(1 + 0.7 * rows + 0.3 * columns);
}
at::Tensor coupled_loss(const at::Tensor& embeddings) {
  return (embeddings * loss_weights(embeddings)).sum() + 0.5 * embeddings.sum(0).square().sum();
}

void change(std::vector<Parameter>& parameters, const Probe& probe) {
  for (Parameter& parameter : parameters) {
    if (parameter.name != probe.changed) continue;
    at::Tensor flat = parameter.value.view({-1});
    if (probe.index >= 0) {
      flat[probe.index] += probe.delta;
    } else {
      flat.add_(at::sin(at::arange(flat.size(0), flat.options())), probe.delta);
    }
  }
}

// Cancels a step between its loss and its way back; returns the error's code.
std::string interrupt(TrainableModel& model, const TrainRows& rows, const Probe& probe) {
  const CancelToken token;
  try {
    model.accumulate(
        rows, probe.options,
        [&](const at::Tensor& embeddings) {
          token.cancel();
          return at::ones_like(embeddings);
        },
        token);
  } catch (const Error& error) {
    return error.code();
  }
  return "none";
}

ProbeResult run_probe(TrainSpec spec, const Probe& probe, TrainRows rows,
                      const CancelToken& cancel) {
  if (probe.operators) spec.encoder.backend = Backend::kReference;
  for (const int64_t id : probe.example_ids) rows.example_ids.push_back(static_cast<uint32_t>(id));
  for (const int64_t role : probe.roles) rows.roles.push_back(static_cast<uint8_t>(role));
  const auto model = TrainableModel::create(spec, cancel);
  change(model->parameters(), probe);
  model->parameters_changed();
  ProbeResult result;
  if (probe.evaluates) {
    result.embeddings =
        model->embed(rows, probe.options.dropout, probe.options.chunk_tokens, cancel);
    return result;
  }
  if (probe.interrupts) result.interrupted = interrupt(*model, rows, probe);
  const AccumulateResult done = model->accumulate(
      rows, probe.options,
      [&](const at::Tensor& embeddings) {
        result.embeddings = embeddings;
        result.loss = coupled_loss(embeddings).item<double>();
        return loss_weights(embeddings) + embeddings.sum(0, /*keepdim=*/true);
      },
      cancel);
  result.mlm_loss = done.mlm_loss;
  result.masked = done.masked_tokens;
  result.chunks = done.chunks;
  result.not_finite = model->first_non_finite_gradient(cancel).value_or("");
  result.bytes = model->memory_bytes();
  result.parameters = model->parameters();
  result.checkpoint = model->checkpoint_tensors();
  result.adapter = model->adapter_tensors();
  return result;
}

Napi::Value array_of(Napi::Env env, const at::Tensor& tensor) {
  return to_typed_array(env, tensor.detach().contiguous().clone());
}

Napi::Value named_tensors(Napi::Env env,
                          const std::vector<std::pair<std::string, at::Tensor>>& tensors) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, tensor] : tensors) object.Set(name, array_of(env, tensor));
  return object;
}

Napi::Value to_result(Napi::Env env, ProbeResult&& result) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("embeddings", array_of(env, result.embeddings));
  object.Set("loss", result.loss);
  object.Set("mlmLoss", result.mlm_loss);
  object.Set("masked", static_cast<double>(result.masked));
  object.Set("chunks", static_cast<double>(result.chunks));
  object.Set("bytes", static_cast<double>(result.bytes));
  object.Set("interrupted", result.interrupted);
  object.Set("notFinite", result.not_finite);
  Napi::Array parameters = Napi::Array::New(env);
  for (const Parameter& parameter : result.parameters) {
    Napi::Object one = Napi::Object::New(env);
    one.Set("name", parameter.name);
    one.Set("trainable", parameter.trainable);
    one.Set("decays", parameter.decays);
    one.Set("value", array_of(env, parameter.value));
    if (parameter.grad.defined()) one.Set("grad", array_of(env, parameter.grad));
    parameters.Set(parameters.Length(), one);
  }
  object.Set("parameters", parameters);
  object.Set("checkpoint", named_tensors(env, result.checkpoint));
  object.Set("adapter", named_tensors(env, result.adapter));
  return object;
}

// trainStep(encoderSpec, trainSpec, probe, tokenIds, cuSeqlens)
Napi::Value train_step(const Napi::CallbackInfo& info) {
  const TrainSpec spec = train_spec(encoder_spec_argument(info[0]), Fields(info[1], "train"));
  const Probe probe = probe_of(Fields(info[2], "probe"));
  TokenBatch tokens = tokens_argument(info[3], info[4]);
  return schedule(
      info.Env(), 0, info.Env().Undefined(),
      [=](const CancelToken& cancel, const ReportProgress&) {
        return run_probe(spec, probe, {tokens, {}, {}}, cancel);
      },
      to_result);
}

// plantValue.call(training, name, 'value' | 'gradient', index, number): Promise<void>; any number,
// NaN and infinity among them.
Napi::Value plant_value(const Napi::CallbackInfo& info) {
  const auto training = std::static_pointer_cast<Training>(live_core(info, HandleKind::kTraining));
  const std::string name = string_argument(info[0], "name");
  const bool gradient =
      Fields::choose<bool>(info[1], "where", {{"value", false}, {"gradient", true}});
  const int64_t index = integer_argument(info[2], "index", 0, kMaxInteger);
  const double number = info[3].ToNumber().DoubleValue();
  return schedule(
      info.Env(), 0, info.Env().Undefined(),
      [=](const CancelToken&, const ReportProgress&) {
        for (Parameter& parameter : training->model().parameters()) {
          if (parameter.name != name) continue;
          (gradient ? parameter.grad : parameter.value).view({-1})[index] = number;
          training->model().parameters_changed();
          return;
        }
        throw Error(ErrorKind::kRange, "expected the name of a parameter, received " + name);
      },
      [](Napi::Env env, std::monostate) { return env.Undefined(); });
}

// countTrainable(encoderSpec, trainSpec): { total, trainable }
Napi::Value count(const Napi::CallbackInfo& info) {
  const TrainableCount counted =
      count_trainable(train_spec(encoder_spec_argument(info[0]), Fields(info[1], "train")));
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("total", static_cast<double>(counted.total));
  object.Set("trainable", static_cast<double>(counted.trainable));
  return object;
}

// drawWords({ seed, step, example, role, layer, site, first, count, vectors }): the words as
// signed 32-bit numbers
Napi::Value words_of(const Napi::CallbackInfo& info) {
  const Fields fields(info[0], "draw");
  const auto word = [&](const char* name) {
    return static_cast<uint32_t>(fields.integer(name, 0, 0xFFFFFFFF));
  };
  const DrawStream stream =
      draw_stream(static_cast<uint64_t>(fields.integer("seed", 0, kMaxInteger)), word("step"),
                  word("example"), word("role"), word("layer"), word("site"));
  const auto first = static_cast<uint64_t>(fields.integer("first", 0, kMaxInteger));
  std::vector<uint32_t> words(static_cast<size_t>(fields.integer("count", 0, 1 << 24)));
  if (fields.boolean("vectors")) {
    train_kernels<float>().words(stream, first, std::ssize(words), words.data());
  } else {
    for (size_t i = 0; i < words.size(); ++i) words[i] = draw_word(stream, first + i);
  }
  return to_int32_array(info.Env(), std::vector<int32_t>(words.begin(), words.end()));
}

// dropoutMasks({ seed, step, examples, roles, layer, site, p, count }): 0 where an element is
// dropped, 1 where it is kept, [rows x count] by the vector kernels and by operators
Napi::Value dropout_masks(const Napi::CallbackInfo& info) {
  const Fields fields(info[0], "draw");
  const DropoutKey key{static_cast<uint64_t>(fields.integer("seed", 0, kMaxInteger)),
                       static_cast<uint32_t>(fields.integer("step", 0, 0xFFFFFFFF))};
  const auto layer = static_cast<uint32_t>(fields.integer("layer", 0, 0xFFFF));
  const auto site = static_cast<uint32_t>(fields.integer("site", 0, 255));
  const uint32_t threshold = draw_threshold(fields.number("p", 0, 1));
  const int64_t count = fields.integer("count", 1, 1 << 20);
  const std::vector<int64_t> examples = integers(fields, "examples");
  const std::vector<int64_t> roles = integers(fields, "roles");
  const at::Tensor kept =
      draw_words({at::tensor(examples, at::kLong), at::tensor(roles, at::kLong)}, key, layer, site,
                 count)
          .ge(static_cast<int64_t>(threshold))
          .to(at::kInt);
  std::vector<int32_t> packed;
  std::vector<float> ones(static_cast<size_t>(count), 1), out(ones);
  std::vector<uint32_t> words(static_cast<size_t>(round_to_vector(count)));
  for (size_t row = 0; row < examples.size(); ++row) {
    const Dropout dropout{draw_stream(key.seed, key.step, static_cast<uint32_t>(examples[row]),
                                      static_cast<uint32_t>(roles[row]), layer, site),
                          threshold, 1};
    train_kernels<float>().drop(dropout, 0, count, ones.data(), out.data(), words.data());
    packed.insert(packed.end(), out.begin(), out.end());
  }
  const auto* numbers = kept.const_data_ptr<int32_t>();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("kernels", to_int32_array(info.Env(), std::move(packed)));
  object.Set("operators", to_int32_array(info.Env(), std::vector(numbers, numbers + kept.numel())));
  return object;
}

}  // namespace

void define_training_test_functions(Napi::Object exports) {
  export_function<train_step>(exports, "trainStep");
  export_function<count>(exports, "countTrainable");
  export_function<plant_value>(exports, "plantValue");
  export_function<words_of>(exports, "drawWords");
  export_function<dropout_masks>(exports, "dropoutMasks");
}

}  // namespace simgpt
