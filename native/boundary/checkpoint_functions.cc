#include "checkpoint_functions.h"

#include <ATen/ops/empty.h>

#include <deque>
#include <memory>
#include <optional>

#include "../checkpoint/safetensors.h"
#include "arguments.h"
#include "environment.h"
#include "results.h"

namespace simgpt {

namespace {

constexpr size_t kMostSources = 1024;

struct Copied {
  std::string from, to;
  std::optional<std::vector<int32_t>> rows;
  std::optional<Dtype> dtype;
};
struct Source {
  std::string path;
  std::vector<Copied> tensors;
};

Napi::Value to_description(Napi::Env env, std::shared_ptr<SafetensorsFile>&& file) {
  const std::vector<TensorInfo>& tensors = file->tensors();
  Napi::Array rows = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& tensor = tensors[i];
    Napi::Array shape = Napi::Array::New(env, tensor.shape.size());
    for (uint32_t axis = 0; axis < tensor.shape.size(); ++axis) {
      shape.Set(axis, static_cast<double>(tensor.shape[axis]));
    }
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", tensor.name);
    row.Set("dtype", dtype_name(tensor.dtype));
    row.Set("shape", shape);
    row.Set("bytes", static_cast<double>(tensor.end - tensor.begin));
    rows.Set(i, row);
  }
  // A list of pairs: a key such as __proto__ must stay data.
  Napi::Array metadata = Napi::Array::New(env);
  for (const auto& [key, value] : file->metadata()) {
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, key);
    pair.Set(1u, value);
    metadata.Set(metadata.Length(), pair);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("fileBytes", static_cast<double>(file->file_bytes()));
  object.Set("metadata", metadata);
  object.Set("tensors", rows);
  return object;
}

const TensorInfo& find_tensor(const SafetensorsFile& file, const std::string& name) {
  const TensorInfo* tensor = file.find(name);
  if (tensor != nullptr) return *tensor;
  throw Error("fileInvalid", file.path() + ": expected a tensor " + printable_name(name) +
                                 ", received a file without it");
}

Copied copied_argument(const Fields& fields) {
  Copied copied{fields.string("from"), fields.string("to"), std::nullopt, std::nullopt};
  if (!fields.value("dtype").IsUndefined()) {
    copied.dtype = fields.choice<Dtype>("dtype", {{"F32", Dtype::kF32}, {"F16", Dtype::kF16}});
  }
  const Napi::Value rows = fields.value("rows");
  if (!rows.IsUndefined()) copied.rows = integers_argument(rows, fields.name_of("rows"));
  return copied;
}

std::vector<Source> sources_argument(Napi::Value value) {
  // An options object of one field lends its checks of lists.
  Napi::Object holder = Napi::Object::New(value.Env());
  holder.Set("sources", value);
  std::vector<Source> sources;
  for (const Napi::Value& entry : Fields(holder, "copy").array("sources", kMostSources)) {
    const Fields fields(entry, "source");
    Source source{fields.path("path"), {}};
    for (const Napi::Value& tensor : fields.array("tensors", kMaxTensors)) {
      source.tensors.push_back(copied_argument(Fields(tensor, "tensor")));
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

void copy_all(const std::string& target, const std::vector<Source>& sources,
              const CancelToken& cancel) {
  std::deque<SafetensorsFile> files;  // addresses stay
  std::vector<TensorCopy> copies;
  for (const Source& source : sources) {
    const SafetensorsFile& file = files.emplace_back(SafetensorsFile::open(source.path));
    for (const Copied& copied : source.tensors) {
      const TensorInfo& tensor = find_tensor(file, copied.from);
      copies.push_back({&file, &tensor, copied.to, copied.rows, copied.dtype});
    }
  }
  // Python's transformers refuses a file that does not name its format.
  copy_safetensors(target, copies, {{"format", "pt"}}, cancel);
}

}  // namespace

Napi::Value inspect_safetensors(const Napi::CallbackInfo& info) {
  std::string path = path_argument(info[0], "path");
  const int64_t number = job_number_argument(info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [path = std::move(path)](const CancelToken&, const ReportProgress&) {
        return std::make_shared<SafetensorsFile>(SafetensorsFile::open(path));
      },
      to_description);
}

Napi::Value read_tensor(const Napi::CallbackInfo& info) {
  std::string path = path_argument(info[0], "path");
  std::string name = string_argument(info[1], "name");
  const int64_t number = job_number_argument(info[2]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [path = std::move(path), name = std::move(name)](const CancelToken& cancel,
                                                       const ReportProgress&) {
        const SafetensorsFile file = SafetensorsFile::open(path);
        const TensorInfo& tensor = find_tensor(file, name);
        at::Tensor values = at::empty(tensor.shape);
        file.read_float32(tensor, values.data_ptr<float>(), cancel);
        return values;
      },
      [](Napi::Env env, at::Tensor&& values) { return to_typed_array(env, std::move(values)); });
}

Napi::Value copy_safetensors_files(const Napi::CallbackInfo& info) {
  std::string target = path_argument(info[0], "target");
  std::vector<Source> sources = sources_argument(info[1]);
  const int64_t number = job_number_argument(info[2]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [target = std::move(target), sources = std::move(sources)](
          const CancelToken& cancel, const ReportProgress&) { copy_all(target, sources, cancel); },
      [](Napi::Env env, std::monostate) -> Napi::Value { return env.Undefined(); });
}

}  // namespace simgpt
