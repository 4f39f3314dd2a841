#include "test_loss.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <limits>

#include "../loss/loss.h"
#include "arguments.h"
#include "entry.h"
#include "environment.h"
#include "results.h"

namespace simgpt {

namespace {

// Passes on to the allocator before it and counts what tensors hold.
class CountingAllocator final : public c10::Allocator {
 public:
  static CountingAllocator& install() {
    static CountingAllocator& counting = *new CountingAllocator(c10::GetCPUAllocator());
    static const bool installed = [] {
      c10::SetCPUAllocator(&counting, 255);
      return true;
    }();
    static_cast<void>(installed);
    return counting;
  }

  c10::DataPtr allocate(size_t bytes) override {
    auto* held = new Held{inner_->allocate(bytes), static_cast<int64_t>(bytes), epoch_.load()};
    const int64_t now = live_.fetch_add(held->bytes) + held->bytes;
    int64_t most = most_.load();
    while (most < now && !most_.compare_exchange_weak(most, now)) {
    }
    return {held->data.get(), held, &release, held->data.device()};
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  // Counts from nothing: what is held now, and may be collected at any time, no longer matters.
  void restart() {
    ++epoch_;
    live_ = most_ = 0;
  }
  int64_t most() const { return most_.load(); }

 private:
  struct Held {
    c10::DataPtr data;
    int64_t bytes, epoch;
  };
  explicit CountingAllocator(c10::Allocator* inner) : inner_(inner) {}
  static void release(void* context) {
    auto* held = static_cast<Held*>(context);
    if (held->epoch == epoch_.load()) live_ -= held->bytes;
    delete held;
  }

  c10::Allocator* inner_;
  static inline std::atomic<int64_t> epoch_{0};
  static inline std::atomic<int64_t> live_{0};
  static inline std::atomic<int64_t> most_{0};
};

enum class Form { kFused, kReference, kPlain };

struct Request {
  int64_t examples, hard_negatives, width, rounds, seed;
  double temperature;
  Form form;
};

struct Measured {
  LossResult result;
  double seconds = std::numeric_limits<double>::infinity();
  double cpu_seconds = 0;  // of all threads, in the best round
  int64_t extra_bytes = 0;
};

LossBatch random_batch(const Request& request) {
  at::Generator generator = at::detail::createCPUGenerator(static_cast<uint64_t>(request.seed));
  const auto rows = [&](int64_t count) {
    return at::randn({count, request.width}, generator, at::kFloat);
  };
  LossBatch batch;
  batch.anchors = rows(request.examples);
  batch.positives = batch.anchors + rows(request.examples);
  const int64_t hard = request.examples * request.hard_negatives;
  if (hard == 0) return batch;
  batch.owner = at::arange(request.examples, at::kLong).repeat_interleave(request.hard_negatives);
  batch.hard_negatives = batch.anchors.index_select(0, batch.owner) + rows(hard) * 2;
  return batch;
}

LossResult plain_info_nce(const LossBatch& batch, double temperature) {
  const c10::AutoGradMode recording(true);
  const auto leaf = [](const at::Tensor& rows) { return rows.detach().requires_grad_(true); };
  const at::Tensor anchors = leaf(batch.anchors);
  const at::Tensor positives = leaf(batch.positives);
  at::Tensor candidates = positives;
  at::Tensor hard_negatives;
  if (batch.hard_negatives.defined()) {
    hard_negatives = leaf(batch.hard_negatives);
    candidates = at::cat({positives, hard_negatives});
  }
  const auto unit = [](const at::Tensor& rows) {
    return rows / rows.norm(2, {1}, true).clamp_min(1e-8);
  };
  const at::Tensor scores = unit(anchors).mm(unit(candidates).t()).div_(temperature);
  const at::Tensor targets = at::arange(anchors.size(0), at::kLong);
  const at::Tensor value = at::cross_entropy_loss(scores, targets);
  value.backward();
  LossResult result;
  result.value = value.item<double>();
  result.d_anchors = anchors.grad();
  result.d_positives = positives.grad();
  if (hard_negatives.defined()) result.d_hard_negatives = hard_negatives.grad();
  return result;
}

LossResult run_once(const Request& request, const LossBatch& batch, const CancelToken& cancel) {
  if (request.form == Form::kPlain) return plain_info_nce(batch, request.temperature);
  InfoNceLoss loss;
  loss.temperature = request.temperature;
  const auto backend = request.form == Form::kFused ? LossBackend::kFused : LossBackend::kReference;
  return compute_loss({{loss, 1}}, batch, backend, cancel);
}

int64_t bytes_of(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<int64_t>(tensor.nbytes()) : 0;
}

Measured measure(const Request& request, const CancelToken& cancel) {
  CountingAllocator& memory = CountingAllocator::install();
  const LossBatch batch = random_batch(request);
  Measured measured;
  for (int64_t round = 0; round < request.rounds; ++round) {
    measured.result = {};
    memory.restart();
    const std::clock_t cpu_started = std::clock();
    const auto started = std::chrono::steady_clock::now();
    measured.result = run_once(request, batch, cancel);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - started;
    if (taken.count() < measured.seconds) {
      measured.seconds = taken.count();
      measured.cpu_seconds = static_cast<double>(std::clock() - cpu_started) / CLOCKS_PER_SEC;
    }
    const LossResult& result = measured.result;
    measured.extra_bytes = memory.most() - bytes_of(result.d_anchors) -
                           bytes_of(result.d_positives) - bytes_of(result.d_hard_negatives);
  }
  return measured;
}

}  // namespace

Napi::Value measure_info_nce(const Napi::CallbackInfo& info) {
  const Fields fields(info[0], "request");
  Request request{};
  request.examples = fields.integer("examples", 1, 1 << 20);
  request.hard_negatives = fields.integer("hardNegatives", 0, 64);
  request.width = fields.integer("width", 1, 1 << 14);
  request.rounds = fields.integer("rounds", 1, 1000);
  request.seed = fields.integer("seed", 0, kMaxInteger);
  request.temperature = fields.number("temperature", 1e-3, 1e3);
  request.form = fields.choice<Form>(
      "form", {{"fused", Form::kFused}, {"reference", Form::kReference}, {"plain", Form::kPlain}});
  const int64_t number = job_number_argument(info[1]);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, info.Env().Undefined(),
      [request](const CancelToken& cancel, const ReportProgress&) {
        return measure(request, cancel);
      },
      [](Napi::Env env, Measured&& measured) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("value", measured.result.value);
        object.Set("anchors", to_typed_array(env, measured.result.d_anchors.contiguous()));
        object.Set("seconds", measured.seconds);
        object.Set("cpuSeconds", measured.cpu_seconds);
        object.Set("extraBytes", static_cast<double>(measured.extra_bytes));
        return object;
      });
}

}  // namespace simgpt
