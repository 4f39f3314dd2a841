// Saving and loading what a run resumes from, and what it leaves.
#include <ATen/ATen.h>

#include <cmath>
#include <map>

#include "checkpoint/safetensors.h"
#include "error.h"
#include "train/training.h"

namespace simgpt {
namespace {

constexpr const char* kFormat = "simgpt training state";
constexpr const char* kVersion = "1";
constexpr const char* kParts[] = {"value/", "first/", "second/"};

Dtype file_dtype(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kDouble ? Dtype::kF64 : Dtype::kF32;
}

TensorView view_of(const std::string& name, const at::Tensor& tensor) {
  return {name, file_dtype(tensor), tensor.sizes().vec(), tensor.const_data_ptr()};
}

[[noreturn]] void refuse(const SafetensorsFile& file, const std::string& what) {
  throw Error("fileInvalid", file.path() + ": expected " + what);
}

at::Tensor read_as(const SafetensorsFile& file, const std::string& name, const at::Tensor& like,
                   const CancelToken& cancel) {
  const TensorInfo* info = file.find(name);
  if (info == nullptr) refuse(file, "a tensor " + name + ", received a file without it");
  if (info->dtype != file_dtype(like) || at::IntArrayRef(info->shape) != like.sizes()) {
    refuse(file, "the tensor " + name + " in this model's shape and precision");
  }
  at::Tensor values = at::empty(like.sizes(), like.scalar_type());  // on the host
  file.read(*info, values.mutable_data_ptr(), cancel);
  if (!at::isfinite(values).all().item<bool>()) refuse(file, "finite numbers in " + name);
  return values;
}

int64_t count_of(const SafetensorsFile& file, const char* key) {
  const auto found = file.metadata().find(key);
  const std::string text = found == file.metadata().end() ? "" : found->second;
  const bool digits = !text.empty() && text.size() < 16 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits) refuse(file, std::string("a count of ") + key);
  return std::stoll(text);
}

void check_format(const SafetensorsFile& file) {
  const auto& metadata = file.metadata();
  const auto format = metadata.find("format");
  const auto version = metadata.find("version");
  if (format == metadata.end() || format->second != kFormat || version == metadata.end() ||
      version->second != kVersion) {
    refuse(file, std::string("a ") + kFormat + " of version " + kVersion);
  }
}

}  // namespace

void Training::save_state(const std::string& path) const {
  std::vector<TensorView> views;
  std::vector<at::Tensor> kept;  // what had to come from a device
  std::map<std::string, std::string> metadata = {
      {"format", kFormat}, {"version", kVersion}, {"steps", std::to_string(steps())}};
  const auto add = [&](const std::string& name, const at::Tensor& values) {
    kept.push_back(values.cpu());
    views.push_back(view_of(name, kept.back()));
  };
  for (const Parameter& parameter : model_->parameters()) {
    if (parameter.trainable) add(kParts[0] + parameter.name, parameter.value);
  }
  if (log_temperature_) add(kParts[0] + log_temperature_->name, log_temperature_->value);
  if (optimizer_) {
    for (const AdamW::Moments& tensor : const_cast<AdamW&>(*optimizer_).moments()) {
      add(kParts[1] + tensor.name, tensor.first);
      add(kParts[2] + tensor.name, tensor.second);
    }
  }
  write_safetensors(path, views, metadata);
}

void Training::load_state(const std::string& path, const CancelToken& cancel) {
  const SafetensorsFile file = SafetensorsFile::open(path);
  check_format(file);
  const int64_t steps = count_of(file, "steps");
  const std::string learned = std::string(kParts[0]) + "log_temperature";
  std::vector<Parameter> trained;
  for (const Parameter& parameter : model_->parameters()) {
    if (parameter.trainable) trained.push_back(parameter);
  }
  std::optional<Parameter> temperature = log_temperature_;
  if (file.find(learned) != nullptr && !temperature) temperature = learned_temperature(1);
  if (temperature) trained.push_back(*temperature);
  const size_t parts = steps > 0 ? 3 : 1;
  if (file.tensors().size() != parts * trained.size()) {
    refuse(file, std::to_string(parts * trained.size()) + " tensors, received " +
                     std::to_string(file.tensors().size()));
  }
  // Everything is read and checked before anything changes.
  std::vector<at::Tensor> read[3];
  for (size_t part = 0; part < parts; ++part) {
    for (const Parameter& parameter : trained) {
      read[part].push_back(read_as(file, kParts[part] + parameter.name, parameter.value, cancel));
    }
  }
  for (size_t i = 0; i < trained.size(); ++i) trained[i].value.copy_(read[0][i]);
  log_temperature_ = temperature;
  optimizer_.reset();
  if (steps > 0) {
    AdamW& moments = optimizer({});
    for (size_t i = 0; i < trained.size(); ++i) {
      moments.moments()[i].first.copy_(read[1][i]);
      moments.moments()[i].second.copy_(read[2][i]);
    }
    moments.set_steps(steps);
  }
  zero_gradients();
  model_->parameters_changed();
}

void Training::save_tensors(const std::string& path, const std::string& prefix,
                            bool adapters) const {
  const auto tensors = adapters ? model_->adapter_tensors() : model_->checkpoint_tensors();
  std::vector<at::Tensor> kept;
  std::vector<TensorView> views;
  for (const auto& [name, value] : tensors) {
    // The language-model head is a part of training alone, dense modules have files of their own.
    const bool extra =
        name.starts_with("cls.") || name.starts_with("lm_head.") || name.starts_with("dense.");
    if (prefix.empty() ? extra && !adapters : !name.starts_with(prefix)) continue;
    kept.push_back(value.contiguous());
    views.push_back(view_of(name.substr(prefix.size()), kept.back()));
  }
  write_safetensors(path, views, {{"format", "pt"}});
}

}  // namespace simgpt
