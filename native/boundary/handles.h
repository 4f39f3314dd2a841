// The native values JavaScript holds. A JavaScript object carries a slot number and a generation;
// the value sits in this environment's table, reference-counted, so a running job keeps what it
// uses. States go live -> closing -> closed and never back.
//
// A new class of handle needs: a HandleKind, define_handle_class with its methods (each begins with
// live_core), make_handle where a job returns one, and nothing else. See encoder_object.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "entry.h"
#include "napi.h"

namespace simgpt {

enum class HandleKind : uint32_t { kEncoder, kTokenizer, kTraining, kTest, kCount };

struct HandleKey {
  uint32_t slot = 0;
  uint32_t generation = 0;
};

class HandleTable {
 public:
  // bytes: native memory the value keeps, told to V8 until it is released.
  HandleKey add(Napi::Env env, std::shared_ptr<void> core, int64_t bytes);
  // The value of a live handle; throws Error("disposed") otherwise.
  std::shared_ptr<void> live(HandleKey key, const char* name) const;
  // Live -> closing. Gives the value out for the dispose job to release; null if not live.
  std::shared_ptr<void> begin_close(HandleKey key);
  bool closing(HandleKey key) const;
  // Closing -> closed: the value is gone.
  void finish_close(Napi::Env env, HandleKey key) noexcept;
  // The JavaScript object is gone: drops the value and frees the slot.
  void drop(napi_env env, HandleKey key) noexcept;

 private:
  enum class State { kFree, kLive, kClosing, kClosed };
  struct Slot {
    uint32_t generation = 1;  // 0 is no handle's
    State state = State::kFree;
    std::shared_ptr<void> core;
    int64_t bytes = 0;
  };
  void forget_bytes(napi_env env, Slot& slot) noexcept;

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
};

struct HandleMethod {
  const char* name;
  napi_callback callback;  // entry<body>
};

// Defines exports.name: a class nobody can construct from JavaScript.
void define_handle_class(Napi::Object exports, HandleKind kind, const char* name,
                         const std::vector<HandleMethod>& methods);

// A JavaScript object of that class around `core`.
Napi::Value make_handle(Napi::Env env, HandleKind kind, std::shared_ptr<void> core, int64_t bytes);

// The value behind `this`; TypeError where `this` is not such an object of this environment,
// Error("disposed") after dispose().
std::shared_ptr<void> live_core(const Napi::CallbackInfo& info, HandleKind kind);

// dispose(): a job that releases the value after the jobs called before it. Calls made after it are
// refused; a second dispose() resolves after the first.
Napi::Value dispose_handle(const Napi::CallbackInfo& info, HandleKind kind);

}  // namespace simgpt
