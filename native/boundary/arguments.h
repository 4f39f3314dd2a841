// JavaScript values to native ones, checked for what could corrupt memory. Ranges and meaning were
// checked in TypeScript; here a wrong type is a TypeError and a wrong number a RangeError.
//
// Order matters: read every plain argument and option first (a getter is the program's code and may
// detach a buffer), the typed arrays last. They are copied at once, with the length read once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../error.h"
#include "../tokenizer/token_batch.h"
#include "napi.h"

namespace simgpt {

constexpr int64_t kMaxInteger = (int64_t{1} << 53) - 1;

// "expected <name> to be <expected>, received <kind of value>" as a TypeError.
[[noreturn]] void throw_wrong_type(const std::string& name, const std::string& expected,
                                   Napi::Value received);

int64_t integer_argument(Napi::Value value, const std::string& name, int64_t least, int64_t most);
// The number a job may be cancelled by: 0 (not cancellable) to 2^53 - 1.
int64_t job_number_argument(Napi::Value value);
// A function, or undefined.
Napi::Value callback_argument(Napi::Value value, const std::string& name);

// The fields of an options object; an absent or undefined field has its fallback.
class Fields {
 public:
  Fields(Napi::Value value, std::string name);

  int64_t integer(const char* field, int64_t least, int64_t most) const;
  int64_t integer_or(const char* field, int64_t fallback, int64_t least, int64_t most) const;
  double number(const char* field, double least, double most) const;
  std::optional<double> optional_number(const char* field, double least, double most) const;
  bool boolean(const char* field) const;
  bool boolean_or(const char* field, bool fallback) const;
  std::optional<bool> optional_boolean(const char* field) const;  // null counts as absent
  std::string string(const char* field) const;
  std::string path(const char* field) const;  // a non-empty string without NUL
  Fields object(const char* field) const;
  std::vector<Napi::Value> array(const char* field, size_t most) const;
  Napi::Value value(const char* field) const { return get(field); }
  std::string name_of(const char* field) const { return name_ + "." + field; }

  // One of a list of names, as the value beside it.
  template <typename Value>
  Value choice(const char* field, const std::vector<std::pair<const char*, Value>>& choices) const {
    return choose(get(field), name_of(field), choices);
  }
  template <typename Value>
  static Value choose(Napi::Value value, const std::string& name,
                      const std::vector<std::pair<const char*, Value>>& choices);

 private:
  Napi::Value get(const char* field) const { return object_.Get(field); }
  Napi::Object object_;
  std::string name_;
};

std::string string_argument(Napi::Value value, const std::string& name);
std::string path_argument(Napi::Value value, const std::string& name);

// Texts owned by a job.
struct OwnedTexts {
  std::string bytes;
  std::vector<uint64_t> offsets;  // [count + 1], first 0, never falling, last bytes.size()
  PackedTexts view() const { return {bytes.data(), offsets.data(), offsets.size() - 1}; }
};

// bytes: Uint8Array; offsets: Float64Array or BigUint64Array. Both copied; buffers that are
// detached, resizable or shared are refused.
OwnedTexts texts_argument(Napi::Value bytes, Napi::Value offsets);
// Int32Arrays of packed ids and starts, copied and checked against each other.
TokenBatch tokens_argument(Napi::Value token_ids, Napi::Value cu_seqlens);

// Numbers owned by a job; one of the two lists holds them.
struct OwnedNumbers {
  std::vector<float> narrow;
  std::vector<double> wide;
  bool is_wide = false;
  size_t size() const { return is_wide ? wide.size() : narrow.size(); }
};
// A Float32Array or Float64Array, copied.
OwnedNumbers numbers_argument(Napi::Value value, const std::string& name);
// An Int32Array, copied.
std::vector<int32_t> integers_argument(Napi::Value value, const std::string& name);

template <typename Value>
Value Fields::choose(Napi::Value value, const std::string& name,
                     const std::vector<std::pair<const char*, Value>>& choices) {
  std::string accepted;
  const std::string given = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  for (const auto& [text, chosen] : choices) {
    if (value.IsString() && given == text) return chosen;
    accepted += (accepted.empty() ? "'" : ", '") + std::string(text) + "'";
  }
  if (!value.IsString()) throw_wrong_type(name, "one of " + accepted, value);
  throw Error(ErrorKind::kRange, "expected " + name + " to be one of " + accepted + ", received '" +
                                     given.substr(0, 60) + "'");
}

}  // namespace simgpt
