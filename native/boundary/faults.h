// Places where the test module throws on request; nothing at all in the shipped addon.
#pragma once

namespace simgpt {

enum class Stage {
  kBinding,    // a binding has been entered
  kArguments,  // its arguments have been read
  kSchedule,   // the job is about to be queued
  kBeforeRun,  // on the lane, before the job's body
  kRun,        // inside the body
  kProgress,   // on the lane, reporting progress
  kAfterRun,   // on the lane, after the body
  kReport,     // on the JavaScript thread, before a progress callback
  kResult,     // on the JavaScript thread, making the result
  kRelease,    // on the lane, releasing a disposed handle
  kCount,
};

#if defined(SIMGPT_TEST_HOOKS)
void fault(Stage stage);                   // throws once where a test asked for it
void count_wake_after_closing() noexcept;  // the lane woke JavaScript after closing
#else
inline void fault(Stage) {}
inline void count_wake_after_closing() noexcept {}
#endif

}  // namespace simgpt
