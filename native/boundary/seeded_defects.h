// Defects that a build of the test module may ask for, one at a time (-DSIMGPT_SEED_DEFECT=k), to
// show that the boundary's tests see them. The shipped addon never defines the number: every
// `if constexpr` on it is then gone.
#pragma once

namespace simgpt {

enum class Defect {
  kNone = 0,
  kJobCatchMissing = 1,      // the job wrapper lets what is not a std::exception pass
  kBindingCatchMissing = 2,  // a binding's C++ exception reaches Node's C frames
  kTypeTagUnchecked = 3,     // a method trusts `this`
  kJoinSkipped = 4,          // teardown leaves the lane thread running
  kCallAfterClosing = 5,     // the lane calls the thread-safe function after closing
  kMemoryUnreported = 6,     // V8 is not told of the bytes a handle keeps
  kDisposeImmediate = 7,     // dispose does not wait for the jobs called before it
  kCancelUnseen = 8,         // a job never sees its cancellation
  kSecondDisposeThrows = 9,  // only the first dispose is accepted
  kLastInFirstOut = 10,      // the newest job runs first
  kDetachedUnchecked = 11,   // a detached buffer is taken for an empty one
  kSharedUnchecked = 12,     // a buffer that other threads may write is read
  kIdleKeepsAlive = 13,      // an idle addon holds the event loop
  kUseAfterDispose = 14,     // a closed handle's state is not looked at
  kCallerStackLost = 15,     // a failure carries no frame of the caller
};

#if defined(SIMGPT_SEED_DEFECT)
constexpr int kSeededDefect = SIMGPT_SEED_DEFECT;
#else
constexpr int kSeededDefect = 0;
#endif

constexpr bool seeded(Defect defect) { return kSeededDefect == static_cast<int>(defect); }

}  // namespace simgpt
