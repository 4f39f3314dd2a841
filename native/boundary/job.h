// One call of JavaScript that runs on the lane and is answered by a promise.
//
// Born on the JavaScript thread, executed on the lane, settled and destroyed on the JavaScript
// thread: everything it holds of JavaScript (promise, call site, callback) stays on that side.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "../cancellation.h"
#include "errors.h"
#include "napi.h"

namespace simgpt {

// Called on the lane with units done and units in all; JavaScript sees the newest pair.
using ReportProgress = std::function<void(int64_t, int64_t)>;

class Job : public std::enable_shared_from_this<Job> {
 public:
  // number: what cancel(number) names this job by; 0 for a job nobody cancels.
  Job(Napi::Env env, int64_t number);
  virtual ~Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  int64_t number() const { return number_; }
  const CancelToken& cancel_token() const { return cancel_; }
  Napi::Promise promise() const { return deferred_.Promise(); }
  void set_progress(Napi::Function callback, std::function<void()> wake);

  void execute() noexcept;                                      // lane
  void report_progress(Napi::Env env) noexcept;                 // JavaScript thread
  void settle(Napi::Env env) noexcept;                          // JavaScript thread, once
  void reject(Napi::Env env, const Failure& failure) noexcept;  // JavaScript thread, once

 protected:
  virtual void run() = 0;                              // lane
  virtual void release() noexcept = 0;                 // lane: drops what run() needed
  virtual Napi::Value make_result(Napi::Env env) = 0;  // JavaScript thread
  ReportProgress progress_reporter();

 private:
  void remember_thrown(Napi::Env env, Napi::Value value);

  const int64_t number_;
  CancelToken cancel_;
  Napi::Promise::Deferred deferred_;
  CallSite call_site_;
  std::optional<Failure> failure_;

  Napi::FunctionReference on_progress_;
  std::function<void()> wake_;
  Napi::ObjectReference thrown_;  // { value } where the callback threw value, of any type
  std::atomic<bool> progress_changed_{false};
  std::atomic<int64_t> done_{0};
  std::atomic<int64_t> total_{0};
};

// Work:   Result(const CancelToken&, const ReportProgress&), on the lane; captures native values
// only Result: to JavaScript by Convert: Napi::Value(Napi::Env, Result&&)
template <typename Work, typename Convert>
class FunctionJob final : public Job {
  using Returned = std::invoke_result_t<Work&, const CancelToken&, const ReportProgress&>;
  using Result = std::conditional_t<std::is_void_v<Returned>, std::monostate, Returned>;

 public:
  FunctionJob(Napi::Env env, int64_t number, Work work, Convert convert)
      : Job(env, number), work_(std::move(work)), convert_(std::move(convert)) {}

 protected:
  void run() override {
    if constexpr (std::is_void_v<Returned>) {
      (*work_)(cancel_token(), progress_reporter());
      result_.emplace();
    } else {
      result_.emplace((*work_)(cancel_token(), progress_reporter()));
    }
  }
  void release() noexcept override { work_.reset(); }
  Napi::Value make_result(Napi::Env env) override { return convert_(env, std::move(*result_)); }

 private:
  std::optional<Work> work_;
  Convert convert_;
  std::optional<Result> result_;
};

}  // namespace simgpt
