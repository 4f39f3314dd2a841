// From C++ exceptions to JavaScript errors.
//
// The one rule: what is wrong with a call is thrown by the call (misuse: TypeError or RangeError; a
// disposed handle: SimgptError `disposed`); what goes wrong in the job rejects its promise. Both
// carry the stack of the JavaScript caller.
#pragma once

#include <string>

#include "../error.h"
#include "napi.h"

namespace simgpt {

// An exception as plain values, safe to carry from the lane to the JavaScript thread.
struct Failure {
  ErrorKind kind = ErrorKind::kFailure;
  std::string code;
  std::string message;
};

// Call inside a catch block. Knows simgpt::Error, c10::Error (message without its backtrace),
// std::bad_alloc, std::exception and anything else; allocation failures become `outOfMemory`.
Failure describe_current_exception() noexcept;

// The JavaScript stack at the moment of a call. Lives and dies on the JavaScript thread.
class CallSite {
 public:
  explicit CallSite(Napi::Env env);
  // Replaces the frames of `error` by the captured ones.
  void apply_to(Napi::Object error) const;

 private:
  Napi::ObjectReference captured_;
};

// TypeError, RangeError, or the class given to set_error_class (constructed with code, message).
Napi::Object make_error(Napi::Env env, const Failure& failure);

// Call inside a catch block of a binding: leaves a JavaScript exception pending; never throws.
void throw_current_exception(napi_env env) noexcept;

}  // namespace simgpt
