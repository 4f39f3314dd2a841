#include "job.h"

#include "../cpu/cpu.h"
#include "faults.h"
#include "seeded_defects.h"

namespace simgpt {

Job::Job(Napi::Env env, int64_t number)
    : number_(number), deferred_(Napi::Promise::Deferred::New(env)), call_site_(env) {}

void Job::set_progress(Napi::Function callback, std::function<void()> wake) {
  on_progress_ = Napi::Persistent(callback);
  wake_ = std::move(wake);
}

ReportProgress Job::progress_reporter() {
  if (!wake_) return [](int64_t, int64_t) {};
  return [this](int64_t done, int64_t total) {
    fault(Stage::kProgress);
    done_.store(done, std::memory_order_relaxed);
    total_.store(total, std::memory_order_relaxed);
    progress_changed_.store(true, std::memory_order_release);
    wake_();
  };
}

// Neither of node-addon-api's exception modes covers other threads (RELIABILITY 6.1).
void Job::execute() noexcept {
  try {
    fault(Stage::kBeforeRun);
    if constexpr (!seeded(Defect::kCancelUnseen)) cancel_.poll();
    apply_threads();
    run();
    fault(Stage::kAfterRun);
  } catch (const std::exception&) {
    failure_ = describe_current_exception();
  } catch (...) {
    if constexpr (seeded(Defect::kJobCatchMissing)) throw;
    failure_ = describe_current_exception();
  }
  release();
}

void Job::remember_thrown(Napi::Env env, Napi::Value value) {
  cancel_.cancel();
  Napi::Object holder = Napi::Object::New(env);
  holder.Set("value", value);
  thrown_ = Napi::Persistent(holder);
}

// An exception of the callback cancels the job and is what its promise rejects with.
void Job::report_progress(Napi::Env env) noexcept {
  if (!progress_changed_.exchange(false, std::memory_order_acquire) || !thrown_.IsEmpty()) return;
  try {
    Napi::HandleScope scope(env);
    try {
      fault(Stage::kReport);
      on_progress_.Call({Napi::Number::New(env, static_cast<double>(done_.load())),
                         Napi::Number::New(env, static_cast<double>(total_.load()))});
    } catch (const Napi::Error& error) {
      remember_thrown(env, error.Value());
    } catch (...) {
      Napi::Object error = make_error(env, describe_current_exception());
      call_site_.apply_to(error);
      remember_thrown(env, error);
    }
  } catch (...) {  // the environment is ending: nobody is left to tell
  }
}

void Job::settle(Napi::Env env) noexcept {
  Failure failure;
  try {
    Napi::HandleScope scope(env);
    try {
      if (!thrown_.IsEmpty()) return deferred_.Reject(thrown_.Value().Get("value"));
      if (failure_) return reject(env, *failure_);
      fault(Stage::kResult);
      return deferred_.Resolve(make_result(env));
    } catch (const Napi::Error& error) {
      return deferred_.Reject(error.Value());
    } catch (...) {
      failure = describe_current_exception();
    }
    reject(env, failure);
  } catch (...) {  // the environment is ending
  }
}

void Job::reject(Napi::Env env, const Failure& failure) noexcept {
  try {
    Napi::HandleScope scope(env);
    Napi::Object error = make_error(env, failure);
    call_site_.apply_to(error);
    deferred_.Reject(error);
  } catch (...) {  // the environment is ending
  }
}

}  // namespace simgpt
