#include "environment.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <random>

#include "faults.h"
#include "seeded_defects.h"

namespace simgpt {

namespace {

// Never destroyed: finalizers and the exit handler may come later than any static's destructor.
struct Registry {
  std::mutex mutex;
  std::map<uint64_t, Environment*> environments;
  uint64_t next_id = 1;
};
Registry& registry() {
  static Registry* const value = new Registry;
  return *value;
}

uint64_t new_id() {
  const std::lock_guard lock(registry().mutex);
  return registry().next_id++;
}

// Tags differ from environment to environment, so a handle of another one (a second copy of the
// addon included) fails the tag check.
napi_type_tag random_tag() {
  std::random_device device;
  const auto word = [&device] { return (uint64_t{device()} << 32) | device(); };
  return {word(), word()};
}

void check(napi_env env, napi_status status) { NAPI_THROW_IF_FAILED_VOID(env, status); }

}  // namespace

// process.exit() and a natural end run no cleanup hook on the main thread: what follows is exit(),
// where LibTorch's statics go while a lane may still compute. Registered after LibTorch is loaded,
// this runs before them; the 'exit' listener has usually done the work already.
void stop_every_lane() noexcept {
  const std::lock_guard lock(registry().mutex);
  for (const auto& [id, environment] : registry().environments) environment->lane_.stop();
}

void Environment::open(Napi::Env env) {
  static const int registered = std::atexit(stop_every_lane);
  (void)registered;
  std::unique_ptr<Environment> environment(new Environment(env));
  const auto destroy = [](napi_env, void* data, void*) { delete static_cast<Environment*>(data); };
  check(env, napi_set_instance_data(env, environment.get(), destroy, nullptr));
  Environment& opened = *environment.release();
  {
    const std::lock_guard lock(registry().mutex);
    registry().environments.emplace(opened.id_, &opened);
  }
  napi_value name = Napi::String::New(env, "simgpt");
  check(env, napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr,
                                             &opened, on_wake, &opened.wake_function_));
  if constexpr (!seeded(Defect::kIdleKeepsAlive)) {
    check(env, napi_unref_threadsafe_function(env, opened.wake_function_));
  }
  // After the thread-safe function's own hook: hooks run last in, first out.
  check(env, napi_add_env_cleanup_hook(env, on_cleanup, &opened));
  opened.stop_at_process_exit();
}

Environment& Environment::of(napi_env env) {
  void* data = nullptr;
  check(env, napi_get_instance_data(env, &data));
  return *static_cast<Environment*>(data);
}

Environment* Environment::find(uint64_t id) noexcept {
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().environments.find(id);
  return found == registry().environments.end() ? nullptr : found->second;
}

Environment::Environment(Napi::Env env) : env_(env), id_(new_id()), lane_([this] { wake(); }) {
  for (HandleClass& handle_class : classes_) handle_class.tag = random_tag();
}

Environment::~Environment() {
  {
    const std::lock_guard lock(registry().mutex);
    registry().environments.erase(id_);
  }
  shut_down();
}

Napi::Promise Environment::schedule(std::shared_ptr<Job> job, Napi::Value on_progress) {
  if (closing_) throw Error("cancelled", "the environment is ending: no job can start");
  fault(Stage::kSchedule);
  if (!on_progress.IsEmpty() && on_progress.IsFunction()) {
    job->set_progress(on_progress.As<Napi::Function>(), [this] { lane_.wake_unless_stopping(); });
  }
  const Napi::Promise promise = job->promise();
  active_.push_back(job);
  try {
    lane_.add(std::move(job));
  } catch (...) {
    active_.pop_back();
    throw;
  }
  if (active_.size() == 1) napi_ref_threadsafe_function(env_, wake_function_);
  return promise;
}

void Environment::cancel(int64_t number) {
  std::list<std::shared_ptr<Job>> unrun;
  for (const std::shared_ptr<Job>& job : active_) {
    if (job->number() != number) continue;
    job->cancel_token().cancel();
    if (lane_.remove(*job)) unrun.push_back(job);
  }
  for (const std::shared_ptr<Job>& job : unrun) {
    forget(*job);
    job->reject(env_, {ErrorKind::kFailure, "cancelled", "the job was cancelled"});
  }
}

void Environment::forget(const Job& job) {
  active_.remove_if([&job](const std::shared_ptr<Job>& other) { return other.get() == &job; });
  if constexpr (seeded(Defect::kIdleKeepsAlive)) return;
  if (active_.empty()) napi_unref_threadsafe_function(env_, wake_function_);
}

void Environment::wake() noexcept {
  if (wake_pending_.exchange(true)) return;
  napi_call_threadsafe_function(wake_function_, nullptr, napi_tsfn_nonblocking);
}

void Environment::on_wake(napi_env env, napi_value, void* self, void*) noexcept {
  if (env == nullptr) return;  // the thread-safe function is being torn down
  try {
    static_cast<Environment*>(self)->drain(env);
  } catch (...) {
    throw_current_exception(env);
  }
}

// Progress callbacks are the program's code: they may schedule, cancel, or end the process.
void Environment::drain(Napi::Env env) {
  wake_pending_.store(false);
  const std::list<std::shared_ptr<Job>> current = active_;
  for (const std::shared_ptr<Job>& job : current) job->report_progress(env);
  while (!closing_) {
    const std::shared_ptr<Job> job = lane_.take_finished();
    if (!job) return;
    job->report_progress(env);
    if (closing_) return;
    forget(*job);
    job->settle(env);
  }
}

void Environment::shut_down() noexcept {
  closing_ = true;
  lane_.stop();
  lane_.clear();
  active_.clear();
}

void Environment::on_cleanup(void* self) noexcept {
  auto& environment = *static_cast<Environment*>(self);
  environment.shut_down();
  napi_release_threadsafe_function(environment.wake_function_, napi_tsfn_abort);
  environment.wake_function_ = nullptr;
  environment.error_class_.Reset();
  for (HandleClass& handle_class : environment.classes_) handle_class.constructor.Reset();
}

Napi::Value Environment::on_exit(const Napi::CallbackInfo& info) {
  Environment& environment = of(info.Env());
  const bool busy = !environment.active_.empty();
  environment.shut_down();
  if (busy) napi_unref_threadsafe_function(info.Env(), environment.wake_function_);
  return info.Env().Undefined();
}

void Environment::stop_at_process_exit() {
  const Napi::Env env(env_);
  const Napi::Value process = env.Global().Get("process");
  if (!process.IsObject()) return;
  const Napi::Value on = process.As<Napi::Object>().Get("once");
  if (!on.IsFunction()) return;
  const Napi::Function listener = make_function<on_exit>(env, "stopSimgptLane");
  on.As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), listener});
}

}  // namespace simgpt
