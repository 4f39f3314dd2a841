#include "training_object.h"

#include <ATen/ATen.h>

#include "embed_calls.h"
#include "encoder_spec.h"
#include "handles.h"
#include "training_spec.h"

namespace simgpt {

namespace {

std::shared_ptr<Training> live_training(const Napi::CallbackInfo& info) {
  return std::static_pointer_cast<Training>(live_core(info, HandleKind::kTraining));
}

Napi::Value nothing(Napi::Env env, std::monostate) { return env.Undefined(); }

// loadTraining(encoderSpec, trainSpec, token): Promise<NativeTraining>
Napi::Value load_training(const Napi::CallbackInfo& info) {
  TrainSpec spec = train_spec_argument(info[0], info[1]);
  const int64_t number = job_number_argument(info[2]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [spec = std::move(spec)](const CancelToken& cancel, const ReportProgress&) {
        return std::make_shared<Training>(spec, cancel);
      },
      [](Napi::Env env, std::shared_ptr<Training>&& training) {
        // Gradients are there already, moments come with the first step.
        const int64_t bytes = 2 * training->memory_bytes();
        return make_handle(env, HandleKind::kTraining, std::move(training), bytes);
      });
}

// accumulate(texts, offsets, request, token)
Napi::Value accumulate(const Napi::CallbackInfo& info) {
  const auto training = live_training(info);
  const bool wide = training->model().spec().encoder.precision == Precision::kFloat64;
  const int64_t number = job_number_argument(info[3]);
  AccumulateRequest request = accumulate_argument(info[2], wide);
  OwnedTexts texts = texts_argument(info[0], info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [training = live_training(info), request = std::move(request), texts = std::move(texts)](
          const CancelToken& cancel, const ReportProgress&) {
        return training->accumulate(texts.view(), request, cancel);
      },
      to_accumulate_result);
}

// embedExamples(texts, offsets, request, token): [texts, dimensions]
Napi::Value embed_examples(const Napi::CallbackInfo& info) {
  live_training(info);
  const ExampleRequest request = examples_argument(info[2]);
  const int64_t number = job_number_argument(info[3]);
  OwnedTexts texts = texts_argument(info[0], info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [training = live_training(info), request, texts = std::move(texts)](const CancelToken& cancel,
                                                                          const ReportProgress&) {
        return training->embed_examples(texts.view(), request, cancel);
      },
      [](Napi::Env env, at::Tensor&& rows) { return to_typed_array(env, std::move(rows)); });
}

// step(options, token): Promise<{ gradNorm, notFinite? }>
Napi::Value step(const Napi::CallbackInfo& info) {
  live_training(info);
  const StepRequest request = step_argument(info[0]);
  const int64_t number = job_number_argument(info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [training = live_training(info), request](const CancelToken& cancel, const ReportProgress&) {
        cancel.poll();
        return training->step(request.options, request.learning_rate, request.max_norm);
      },
      to_step_result);
}

// dropOptimizer(): frees the moments
Napi::Value drop_optimizer(const Napi::CallbackInfo& info) {
  fault(Stage::kArguments);
  return schedule(
      info.Env(), 0, info.Env().Undefined(),
      [training = live_training(info)](const CancelToken&, const ReportProgress&) {
        training->drop_optimizer();
      },
      nothing);
}

using WorkOnPath = void (*)(Training&, const std::string&, const CancelToken&);

// (path, token)
template <WorkOnPath kWork>
Napi::Value run_on_path(const Napi::CallbackInfo& info) {
  live_training(info);
  const std::string path = path_argument(info[0], "path");
  const int64_t number = job_number_argument(info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [training = live_training(info), path](const CancelToken& cancel, const ReportProgress&) {
        cancel.poll();
        kWork(*training, path, cancel);
      },
      nothing);
}

void save_state(Training& training, const std::string& path, const CancelToken&) {
  training.save_state(path);
}

void load_state(Training& training, const std::string& path, const CancelToken& cancel) {
  training.load_state(path, cancel);
}

// saveTensors(path, 'weights' | 'adapter', prefix, token)
Napi::Value save_tensors(const Napi::CallbackInfo& info) {
  live_training(info);
  const std::string path = path_argument(info[0], "path");
  const bool adapters =
      Fields::choose<bool>(info[1], "which", {{"weights", false}, {"adapter", true}});
  const std::string prefix = string_argument(info[2], "prefix");
  const int64_t number = job_number_argument(info[3]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [training = live_training(info), path, adapters, prefix](const CancelToken& cancel,
                                                               const ReportProgress&) {
        cancel.poll();
        training->save_tensors(path, prefix, adapters);
      },
      nothing);
}

// parameter(name, token): its values
Napi::Value parameter(const Napi::CallbackInfo& info) {
  live_training(info);
  const std::string name = string_argument(info[0], "name");
  const int64_t number = job_number_argument(info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [training = live_training(info), name](const CancelToken&, const ReportProgress&) {
        for (const Parameter& found : training->model().parameters()) {
          if (found.name == name) return found.value.cpu().clone();
        }
        throw Error(ErrorKind::kRange, "expected the name of a parameter, received " + name);
      },
      [](Napi::Env env, at::Tensor&& values) { return to_typed_array(env, std::move(values)); });
}

// info(): what never changes, and parameters: [{ name, shape, trainable, decays }]
Napi::Value describe(const Napi::CallbackInfo& info) {
  const auto training = live_training(info);
  TrainableModel& model = training->model();
  Napi::Array parameters = Napi::Array::New(info.Env());
  for (const Parameter& found : model.parameters()) {
    Napi::Array shape = Napi::Array::New(info.Env());
    for (const int64_t size : found.value.sizes()) {
      shape.Set(shape.Length(), static_cast<double>(size));
    }
    Napi::Object row = Napi::Object::New(info.Env());
    row.Set("name", found.name);
    row.Set("shape", shape);
    row.Set("trainable", found.trainable);
    row.Set("decays", found.decays);
    parameters.Set(parameters.Length(), row);
  }
  const EncoderSpec& spec = model.spec().encoder;
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("dimensions", static_cast<double>(model.dimensions(true)));
  object.Set("maxTokens", static_cast<double>(spec.max_tokens));
  object.Set("backend", backend_name(spec.backend));
  object.Set("precision", precision_name(spec.precision));
  object.Set("parameters", parameters);
  return object;
}

// progress(): Promise<{ steps, temperature, memoryBytes }>, of the lane
Napi::Value progress(const Napi::CallbackInfo& info) {
  struct Progress {
    int64_t steps, bytes;
    double temperature;
  };
  fault(Stage::kArguments);
  return schedule(
      info.Env(), 0, info.Env().Undefined(),
      [training = live_training(info)](const CancelToken&, const ReportProgress&) {
        return Progress{training->steps(), training->memory_bytes(), training->temperature()};
      },
      [](Napi::Env env, Progress&& now) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("steps", static_cast<double>(now.steps));
        object.Set("memoryBytes", static_cast<double>(now.bytes));
        object.Set("temperature", now.temperature);
        return object;
      });
}

Napi::Value dispose(const Napi::CallbackInfo& info) {
  return dispose_handle(info, HandleKind::kTraining);
}

}  // namespace

void define_training(Napi::Object exports) {
  define_handle_class(exports, HandleKind::kTraining, "NativeTraining",
                      {{"accumulate", entry<accumulate>},
                       {"step", entry<step>},
                       {"dropOptimizer", entry<drop_optimizer>},
                       {"saveState", entry<run_on_path<save_state>>},
                       {"loadState", entry<run_on_path<load_state>>},
                       {"saveTensors", entry<save_tensors>},
                       {"parameter", entry<parameter>},
                       {"embed", entry<embed_texts<live_training>>},
                       {"embedExamples", entry<embed_examples>},
                       {"tokenize", entry<tokenize_texts<live_training>>},
                       {"info", entry<describe>},
                       {"progress", entry<progress>},
                       {"dispose", entry<dispose>}});
  export_function<load_training>(exports, "loadTraining");
}

}  // namespace simgpt
