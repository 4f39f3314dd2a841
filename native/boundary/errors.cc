#include "errors.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <new>

#include "environment.h"
#include "seeded_defects.h"

namespace simgpt {

namespace {

constexpr size_t kMessageBytes = 400;

// LibTorch's messages may run over many lines; the first says what went wrong.
std::string first_line(const char* text) {
  std::string line(text == nullptr ? "" : text);
  line.resize(std::min({line.size(), line.find('\n'), kMessageBytes}));
  // A cut inside a UTF-8 sequence leaves a lone lead byte: JavaScript would show a replacement.
  while (!line.empty() && line.size() == kMessageBytes && (line.back() & 0x80)) line.pop_back();
  return line;
}

bool is_allocation_failure(const std::string& message) {
  return message.find("can't allocate memory") != std::string::npos ||
         message.find("not enough memory") != std::string::npos ||
         message.find("ould not allocate memory") != std::string::npos;
}

Failure native_failure(const char* text) {
  std::string message = first_line(text);
  const char* code = is_allocation_failure(message) ? "outOfMemory" : "nativeFailure";
  return {ErrorKind::kFailure, code, std::move(message)};
}

Failure describe() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.kind(), error.code(), error.what()};
  } catch (const c10::OutOfMemoryError& error) {
    return {ErrorKind::kFailure, "outOfMemory", first_line(error.what_without_backtrace())};
  } catch (const c10::Error& error) {
    return native_failure(error.what_without_backtrace());
  } catch (const std::bad_alloc&) {
    return {ErrorKind::kFailure, "outOfMemory", "the machine has no memory left for this"};
  } catch (const std::exception& error) {
    return native_failure(error.what());
  } catch (...) {
    return {ErrorKind::kFailure, "nativeFailure", "native code threw an unknown exception"};
  }
}

// Both codes fit std::string's inner buffer: nothing here allocates.
Failure without_message() noexcept { return {ErrorKind::kFailure, "outOfMemory", {}}; }

}  // namespace

Failure describe_current_exception() noexcept {
  try {
    return describe();
  } catch (...) {
    return without_message();
  }
}

CallSite::CallSite(Napi::Env env) {
  captured_ = Napi::Persistent(Napi::Error::New(env, "").Value());
}

void CallSite::apply_to(Napi::Object error) const {
  if constexpr (seeded(Defect::kCallerStackLost)) return;
  // `stack` may be anything: Error.prepareStackTrace is the program's to set.
  const Napi::Value ours = captured_.Value().Get("stack");
  const Napi::Value theirs = error.Get("stack");
  if (!ours.IsString() || !theirs.IsString()) return;
  const std::string frames = ours.As<Napi::String>();
  const std::string whole = theirs.As<Napi::String>();
  const size_t from = frames.find("\n    at ");
  const std::string head = whole.substr(0, whole.find("\n    at "));
  error.Set("stack", from == std::string::npos ? head : head + frames.substr(from));
}

Napi::Object make_error(Napi::Env env, const Failure& failure) {
  const std::string& message = failure.message.empty()
                                   ? std::string("the machine has no memory left for this")
                                   : failure.message;
  if (failure.kind == ErrorKind::kType) return Napi::TypeError::New(env, message).Value();
  if (failure.kind == ErrorKind::kRange) return Napi::RangeError::New(env, message).Value();
  const Napi::FunctionReference& error_class = Environment::of(env).error_class();
  if (!error_class.IsEmpty()) {
    return error_class.New({Napi::String::New(env, failure.code), Napi::String::New(env, message)});
  }
  Napi::Object error = Napi::Error::New(env, message).Value();
  error.Set("code", failure.code);
  return error;
}

void throw_current_exception(napi_env env) noexcept {
  // Statuses are ignored: only an ending environment refuses to throw, and it has no listener.
  try {
    try {
      throw;
    } catch (const Napi::Error& error) {
      napi_throw(env, error.Value());
    } catch (...) {
      napi_throw(env, make_error(env, describe_current_exception()));
    }
  } catch (...) {
    napi_throw_error(env, "outOfMemory", "the machine has no memory left for this");
  }
}

}  // namespace simgpt
