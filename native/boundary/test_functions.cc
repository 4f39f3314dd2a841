#include "test_functions.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "../cpu/cpu.h"
#include "arguments.h"
#include "environment.h"
#include "results.h"
#include "test_encoder.h"
#include "test_loss.h"
#include "test_optimizer.h"
#include "test_training.h"

extern "C" int omp_get_max_threads();

namespace simgpt {

namespace {

enum class Thrown { kSimgpt, kC10, kC10Memory, kRuntime, kBadAlloc, kInt, kRange };

struct Armed {
  std::atomic<int> stage{-1};
  std::atomic<int> thrown{0};
};
Armed& armed() {
  static Armed value;
  return value;
}

const std::vector<std::pair<const char*, Stage>> kStages = {
    {"binding", Stage::kBinding},   {"arguments", Stage::kArguments},
    {"schedule", Stage::kSchedule}, {"beforeRun", Stage::kBeforeRun},
    {"run", Stage::kRun},           {"progress", Stage::kProgress},
    {"afterRun", Stage::kAfterRun}, {"report", Stage::kReport},
    {"result", Stage::kResult},     {"release", Stage::kRelease}};

const std::vector<std::pair<const char*, Thrown>> kThrown = {
    {"simgpt", Thrown::kSimgpt},       {"c10", Thrown::kC10},
    {"c10Memory", Thrown::kC10Memory}, {"runtime", Thrown::kRuntime},
    {"badAlloc", Thrown::kBadAlloc},   {"int", Thrown::kInt},
    {"range", Thrown::kRange}};

// setFault(stage, kind): the next time that stage is reached, it throws. Throws itself if one is
// armed already; clearFault() tells whether one was still armed.
Napi::Value set_fault(const Napi::CallbackInfo& info) {
  const Stage stage = Fields::choose(info[0], "stage", kStages);
  armed().thrown = static_cast<int>(Fields::choose(info[1], "kind", kThrown));
  armed().stage = static_cast<int>(stage);
  return info.Env().Undefined();
}

Napi::Value clear_fault(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), armed().stage.exchange(-1) != -1);
}

// counters(): { tiles, jobs, liveEncoders, wakesAfterClosing } of the whole process, and what V8
// was told of native memory: externalBytes of this isolate
Napi::Value counters(const Napi::CallbackInfo& info) {
  const TestCounters& counters = test_counters();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("tiles", static_cast<double>(counters.tiles));
  object.Set("jobs", static_cast<double>(counters.jobs));
  object.Set("liveEncoders", static_cast<double>(counters.live_encoders));
  object.Set("wakesAfterClosing", static_cast<double>(counters.wakes_after_closing));
  int64_t bytes = 0;
  napi_adjust_external_memory(info.Env(), 0, &bytes);
  object.Set("externalBytes", static_cast<double>(bytes));
  return object;
}

// configureEncoder({ loadTiles?, embedTiles?, tileMs?, bytes? })
Napi::Value configure_encoder(const Napi::CallbackInfo& info) {
  const Fields fields(info[0], "settings");
  TestEncoderSettings& settings = test_encoder_settings();
  settings.load_tiles = fields.integer_or("loadTiles", 0, 0, 1'000'000);
  settings.embed_tiles = fields.integer_or("embedTiles", 1, 0, 1'000'000);
  settings.tile_ms = fields.integer_or("tileMs", 0, 0, 10'000);
  settings.bytes = fields.integer_or("bytes", 1024, 0, int64_t{1} << 30);
  return info.Env().Undefined();
}

// runTiles({ tiles, tileMs, work? }, token, onProgress?): Promise<number>, the how-manieth job body
// of the process this was
Napi::Value run_tiles_job(const Napi::CallbackInfo& info) {
  const Fields fields(info[0], "tiles");
  const int64_t tiles = fields.integer("tiles", 0, 1'000'000);
  const int64_t tile_ms = fields.integer("tileMs", 0, 10'000);
  const auto work = fields.choice<TileWork>(
      "work",
      {{"sleep", TileWork::kSleep}, {"matmul", TileWork::kMatmul}, {"write", TileWork::kWrite}});
  const int64_t number = job_number_argument(info[1]);
  const Napi::Value on_progress = callback_argument(info[2], "onProgress");
  fault(Stage::kArguments);
  return schedule(
      info.Env(), number, on_progress,
      [=](const CancelToken& cancel, const ReportProgress& progress) {
        const int64_t place = test_counters().jobs;
        run_tiles(tiles, tile_ms, work, cancel, progress);
        return place;
      },
      [](Napi::Env env, int64_t&& place) {
        return Napi::Number::New(env, static_cast<double>(place));
      });
}

// makeTensor(bytes): Promise<TestTensor>; its values() are those bytes as float32 ones
Napi::Value make_tensor(const Napi::CallbackInfo& info) {
  const int64_t bytes = integer_argument(info[0], "bytes", 0, int64_t{1} << 31);
  fault(Stage::kArguments);
  return schedule(
      info.Env(), 0, info.Env().Undefined(),
      [bytes](const CancelToken&, const ReportProgress&) {
        return std::make_shared<at::Tensor>(at::ones({bytes / 4}));
      },
      [](Napi::Env env, std::shared_ptr<at::Tensor>&& tensor) {
        const auto held = static_cast<int64_t>(tensor->nbytes());
        return make_handle(env, HandleKind::kTest, std::move(tensor), held);
      });
}

Napi::Value tensor_values(const Napi::CallbackInfo& info) {
  auto tensor = std::static_pointer_cast<at::Tensor>(live_core(info, HandleKind::kTest));
  fault(Stage::kArguments);
  return schedule(
      info.Env(), 0, info.Env().Undefined(),
      [tensor](const CancelToken&, const ReportProgress&) { return tensor->clone(); },
      [](Napi::Env env, at::Tensor&& values) { return to_typed_array(env, std::move(values)); });
}

Napi::Value dispose_tensor(const Napi::CallbackInfo& info) {
  return dispose_handle(info, HandleKind::kTest);
}

// cgroupQuota(processCgroup, mount): number | null
Napi::Value quota(const Napi::CallbackInfo& info) {
  const std::optional<double> found =
      cgroup_quota(string_argument(info[0], "processCgroup"), string_argument(info[1], "mount"));
  return found ? Napi::Value::From(info.Env(), *found) : info.Env().Null();
}

Napi::Value parse_threads(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(),
                           parse_thread_count("threads", string_argument(info[0], "text")));
}

// threadState(): Promise<{ ours, libtorch, openmp }> as the lane sees them
Napi::Value thread_state(const Napi::CallbackInfo& info) {
  struct State {
    int ours, libtorch, openmp;
  };
  return schedule(
      info.Env(), 0, info.Env().Undefined(),
      [](const CancelToken&, const ReportProgress&) {
        return State{thread_count(), at::get_num_threads(), omp_get_max_threads()};
      },
      [](Napi::Env env, State&& state) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("ours", state.ours);
        object.Set("libtorch", state.libtorch);
        object.Set("openmp", state.openmp);
        return object;
      });
}

}  // namespace

void fault(Stage stage) {
  int expected = static_cast<int>(stage);
  if (!armed().stage.compare_exchange_strong(expected, -1)) return;
  switch (static_cast<Thrown>(armed().thrown.load())) {
    case Thrown::kSimgpt:
      throw Error("dataInvalid", "a seeded failure");
    case Thrown::kC10:
      TORCH_CHECK(false, "a seeded c10 failure\nwith a second line");
    case Thrown::kC10Memory:
      TORCH_CHECK_WITH(OutOfMemoryError, false, "a seeded allocation failure");
    case Thrown::kRuntime:
      throw std::runtime_error("a seeded runtime error");
    case Thrown::kBadAlloc:
      throw std::bad_alloc();
    case Thrown::kInt:
      throw 42;
    case Thrown::kRange:
      throw Error(ErrorKind::kRange, "expected a seeded number > 0, received 0");
  }
}

void count_wake_after_closing() noexcept { ++test_counters().wakes_after_closing; }

void define_test_functions(Napi::Object exports) {
  export_function<set_fault>(exports, "setFault");
  export_function<clear_fault>(exports, "clearFault");
  export_function<counters>(exports, "counters");
  export_function<configure_encoder>(exports, "configureEncoder");
  export_function<run_tiles_job>(exports, "runTiles");
  export_function<make_tensor>(exports, "makeTensor");
  export_function<quota>(exports, "cgroupQuota");
  export_function<parse_threads>(exports, "parseThreads");
  export_function<thread_state>(exports, "threadState");
  export_function<measure_info_nce>(exports, "measureInfoNce");
  export_function<adamw_steps>(exports, "adamWSteps");
  define_training_test_functions(exports);
  define_handle_class(exports, HandleKind::kTest, "TestTensor",
                      {{"values", entry<tensor_values>}, {"dispose", entry<dispose_tensor>}});
}

}  // namespace simgpt
