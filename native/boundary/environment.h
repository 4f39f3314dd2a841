// What one JavaScript environment (main thread or worker) owns: its lane, its handles, its jobs.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>

#include "handles.h"
#include "lane.h"
#include "napi.h"

namespace simgpt {

class Environment {
 public:
  // Called once from the addon's Init.
  static void open(Napi::Env env);
  static Environment& of(napi_env env);
  // By id, for finalizers, which may run after the environment is gone; null then.
  static Environment* find(uint64_t id) noexcept;
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  // Queues a job and returns its promise; throws Error("cancelled") once the environment ends.
  Napi::Promise schedule(std::shared_ptr<Job> job, Napi::Value on_progress);
  // Cancels every job scheduled under that number; a waiting one is rejected at once.
  void cancel(int64_t number);

  bool closing() const { return closing_; }
  uint64_t id() const { return id_; }
  HandleTable& handles() { return handles_; }
  Napi::FunctionReference& error_class() { return error_class_; }

  struct HandleClass {
    const char* name = "";
    napi_type_tag tag = {0, 0};
    Napi::FunctionReference constructor;
  };
  HandleClass& handle_class(HandleKind kind) { return classes_[static_cast<size_t>(kind)]; }
  // True while native code itself constructs a handle's object.
  bool constructing = false;

 private:
  explicit Environment(Napi::Env env);
  static void on_cleanup(void* self) noexcept;
  static void on_wake(napi_env env, napi_value, void* self, void*) noexcept;
  static Napi::Value on_exit(const Napi::CallbackInfo& info);

  void wake() noexcept;         // lane
  void drain(Napi::Env env);    // JavaScript thread
  void forget(const Job& job);  // JavaScript thread
  void shut_down() noexcept;    // JavaScript thread, any number of times
  void stop_at_process_exit();  // asks process to shut this environment down in its 'exit' event

  const napi_env env_;
  const uint64_t id_;
  napi_threadsafe_function wake_function_ = nullptr;
  std::atomic<bool> wake_pending_{false};
  bool closing_ = false;
  std::list<std::shared_ptr<Job>> active_;  // queued, running, or finished and not yet settled
  HandleTable handles_;
  std::array<HandleClass, static_cast<size_t>(HandleKind::kCount)> classes_;
  Napi::FunctionReference error_class_;
  Lane lane_;  // last: stops before the rest goes

  friend void stop_every_lane() noexcept;
};

// Schedules work on the lane. See FunctionJob for the two callables.
template <typename Work, typename Convert>
Napi::Value schedule(Napi::Env env, int64_t number, Napi::Value on_progress, Work work,
                     Convert convert) {
  using Function = FunctionJob<Work, Convert>;
  auto job = std::make_shared<Function>(env, number, std::move(work), std::move(convert));
  return Environment::of(env).schedule(std::move(job), on_progress);
}

}  // namespace simgpt
