// The errors native code throws. The boundary turns them into JavaScript's:
// kType -> TypeError, kRange -> RangeError, kFailure -> SimgptError with a stable code.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace simgpt {

enum class ErrorKind { kFailure, kType, kRange };

class Error : public std::runtime_error {
 public:
  // code: one of the stable codes listed in ts/errors.ts
  Error(std::string code, const std::string& message)
      : std::runtime_error(message), kind_(ErrorKind::kFailure), code_(std::move(code)) {}
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  ErrorKind kind() const { return kind_; }
  const std::string& code() const { return code_; }

 private:
  ErrorKind kind_;
  std::string code_;
};

}  // namespace simgpt
