#include "arguments.h"

#include <cmath>
#include <cstring>

#include "seeded_defects.h"

namespace simgpt {

namespace {

const char* array_type_name(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array:
      return "an Int8Array";
    case napi_uint8_array:
      return "a Uint8Array";
    case napi_uint8_clamped_array:
      return "a Uint8ClampedArray";
    case napi_int16_array:
      return "an Int16Array";
    case napi_uint16_array:
      return "a Uint16Array";
    case napi_int32_array:
      return "an Int32Array";
    case napi_uint32_array:
      return "a Uint32Array";
    case napi_float32_array:
      return "a Float32Array";
    case napi_float64_array:
      return "a Float64Array";
    case napi_bigint64_array:
      return "a BigInt64Array";
    case napi_biguint64_array:
      return "a BigUint64Array";
    default:
      return "another typed array";
  }
}

// A typed array at this moment: valid until JavaScript runs again.
struct ArrayView {
  napi_typedarray_type type;
  const void* data;
  size_t length;  // elements
};

bool is_resizable(Napi::Env env, napi_value buffer) {
  return Napi::Object(env, buffer).Get("resizable").ToBoolean();
}

ArrayView view_of(Napi::Value value, const std::string& name, const char* expected) {
  const Napi::Env env = value.Env();
  if (!value.IsTypedArray()) throw_wrong_type(name, expected, value);
  const auto read = [&](napi_value* buffer) {
    ArrayView view{static_cast<napi_typedarray_type>(-1), nullptr, 0};
    size_t offset = 0;
    const napi_status status = napi_get_typedarray_info(
        env, value, &view.type, &view.length, const_cast<void**>(&view.data), buffer, &offset);
    if (status != napi_ok) throw_wrong_type(name, expected, value);
    return view;
  };
  const auto refuse = [&](const char* what) -> void {
    throw Error(ErrorKind::kType, "expected the buffer of " + name +
                                      " to be attached, of fixed length and not shared, received " +
                                      what + " one");
  };
  napi_value buffer = nullptr;
  read(&buffer);
  bool is_plain = false;
  if (napi_is_arraybuffer(env, buffer, &is_plain) != napi_ok || !is_plain) {
    if constexpr (seeded(Defect::kSharedUnchecked)) return read(&buffer);
    refuse("a shared");
  }
  if (is_resizable(env, buffer)) refuse("a resizable");
  const ArrayView view = read(&buffer);  // again: reading `resizable` may have run JavaScript
  bool detached = false;
  if (napi_is_detached_arraybuffer(env, buffer, &detached) != napi_ok || detached) {
    if constexpr (!seeded(Defect::kDetachedUnchecked)) refuse("a detached");
  }
  return view;
}

template <typename Element>
std::vector<Element> copy_elements(const ArrayView& view) {
  std::vector<Element> copy(view.length);
  if (view.length > 0) std::memcpy(copy.data(), view.data, view.length * sizeof(Element));
  return copy;
}

std::vector<uint64_t> copy_offsets(Napi::Value value, const std::string& name) {
  const ArrayView view = view_of(value, name, "a Float64Array or BigUint64Array");
  if (view.type == napi_biguint64_array) return copy_elements<uint64_t>(view);
  if (view.type != napi_float64_array) {
    throw Error(ErrorKind::kType, "expected " + name +
                                      " to be a Float64Array or BigUint64Array, received " +
                                      array_type_name(view.type));
  }
  const std::vector<double> numbers = copy_elements<double>(view);
  std::vector<uint64_t> offsets;
  offsets.reserve(numbers.size());
  for (const double number : numbers) {
    const bool whole =
        number >= 0 && number <= static_cast<double>(kMaxInteger) && number == std::floor(number);
    if (!whole) {
      throw Error(ErrorKind::kRange, "expected " + name + "[" + std::to_string(offsets.size()) +
                                         "] to be a whole number >= 0, received " +
                                         std::to_string(number));
    }
    offsets.push_back(static_cast<uint64_t>(number));
  }
  return offsets;
}

std::vector<int32_t> copy_int32(Napi::Value value, const std::string& name) {
  const ArrayView view = view_of(value, name, "an Int32Array");
  if (view.type != napi_int32_array) {
    throw Error(ErrorKind::kType, "expected " + name + " to be an Int32Array, received " +
                                      array_type_name(view.type));
  }
  return copy_elements<int32_t>(view);
}

// First 0, never falling, last `total`.
template <typename Element>
void check_starts(const std::vector<Element>& starts, const std::string& name, uint64_t total,
                  const char* of_what) {
  const auto fail = [&](size_t index, const std::string& expected) {
    throw Error(ErrorKind::kRange, "expected " + name + "[" + std::to_string(index) + "] " +
                                       expected + ", received " + std::to_string(starts[index]));
  };
  if (starts.empty()) {
    throw Error(ErrorKind::kRange, "expected " + name + " to hold at least one start, received 0");
  }
  if (starts[0] != 0) fail(0, "to be 0");
  for (size_t i = 1; i < starts.size(); ++i) {
    if (starts[i] < starts[i - 1]) fail(i, ">= " + std::to_string(starts[i - 1]));
  }
  if (static_cast<uint64_t>(starts.back()) != total) {
    fail(starts.size() - 1,
         "to be the number of " + std::string(of_what) + ", " + std::to_string(total));
  }
}

}  // namespace

void throw_wrong_type(const std::string& name, const std::string& expected, Napi::Value received) {
  static constexpr const char* kTypes[] = {"undefined", "null",     "a boolean", "a number",
                                           "a string",  "a symbol", "an object", "a function",
                                           "an object", "a bigint"};
  const char* type = kTypes[received.Type()];
  if (received.IsTypedArray()) {
    napi_typedarray_type array_type = static_cast<napi_typedarray_type>(-1);
    napi_get_typedarray_info(received.Env(), received, &array_type, nullptr, nullptr, nullptr,
                             nullptr);
    type = array_type_name(array_type);
  } else if (received.IsArray()) {
    type = "an array";
  }
  throw Error(ErrorKind::kType, "expected " + name + " to be " + expected + ", received " + type);
}

int64_t integer_argument(Napi::Value value, const std::string& name, int64_t least, int64_t most) {
  const std::string range =
      "an integer from " + std::to_string(least) + " to " + std::to_string(most);
  if (!value.IsNumber()) throw_wrong_type(name, range, value);
  const double number = value.As<Napi::Number>().DoubleValue();
  const bool inside = number >= static_cast<double>(least) && number <= static_cast<double>(most);
  if (!inside || number != std::floor(number)) {
    const std::string shown = value.ToString().Utf8Value();
    throw Error(ErrorKind::kRange, "expected " + name + " to be " + range + ", received " + shown);
  }
  return static_cast<int64_t>(number);
}

int64_t job_number_argument(Napi::Value value) {
  return integer_argument(value, "token", 0, kMaxInteger);
}

Napi::Value callback_argument(Napi::Value value, const std::string& name) {
  if (!value.IsUndefined() && !value.IsFunction()) throw_wrong_type(name, "a function", value);
  return value;
}

std::string string_argument(Napi::Value value, const std::string& name) {
  if (!value.IsString()) throw_wrong_type(name, "a string", value);
  return value.As<Napi::String>().Utf8Value();
}

std::string path_argument(Napi::Value value, const std::string& name) {
  std::string path = string_argument(value, name);
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Error(ErrorKind::kRange, "expected " + name + " to be a non-empty path without NUL");
  }
  return path;
}

Fields::Fields(Napi::Value value, std::string name) : name_(std::move(name)) {
  if (!value.IsObject() || value.IsFunction()) throw_wrong_type(name_, "an object", value);
  object_ = value.As<Napi::Object>();
}

int64_t Fields::integer(const char* field, int64_t least, int64_t most) const {
  return integer_argument(get(field), name_of(field), least, most);
}

int64_t Fields::integer_or(const char* field, int64_t fallback, int64_t least, int64_t most) const {
  const Napi::Value value = get(field);
  return value.IsUndefined() ? fallback : integer_argument(value, name_of(field), least, most);
}

double Fields::number(const char* field, double least, double most) const {
  const Napi::Value value = get(field);
  if (!value.IsNumber()) throw_wrong_type(name_of(field), "a number", value);
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= least && number <= most)) {
    throw Error(ErrorKind::kRange, "expected " + name_of(field) + " from " + std::to_string(least) +
                                       " to " + std::to_string(most) + ", received " +
                                       value.ToString().Utf8Value());
  }
  return number;
}

std::optional<double> Fields::optional_number(const char* field, double least, double most) const {
  if (get(field).IsUndefined()) return std::nullopt;
  return number(field, least, most);
}

bool Fields::boolean(const char* field) const {
  const Napi::Value value = get(field);
  if (!value.IsBoolean()) throw_wrong_type(name_of(field), "a boolean", value);
  return value.As<Napi::Boolean>().Value();
}

bool Fields::boolean_or(const char* field, bool fallback) const {
  const Napi::Value value = get(field);
  if (value.IsUndefined()) return fallback;
  if (!value.IsBoolean()) throw_wrong_type(name_of(field), "a boolean", value);
  return value.As<Napi::Boolean>().Value();
}

std::optional<bool> Fields::optional_boolean(const char* field) const {
  const Napi::Value value = get(field);
  if (value.IsUndefined() || value.IsNull()) return std::nullopt;
  if (!value.IsBoolean()) throw_wrong_type(name_of(field), "a boolean or null", value);
  return value.As<Napi::Boolean>().Value();
}

std::string Fields::string(const char* field) const {
  return string_argument(get(field), name_of(field));
}

std::string Fields::path(const char* field) const {
  return path_argument(get(field), name_of(field));
}

Fields Fields::object(const char* field) const { return Fields(get(field), name_of(field)); }

std::vector<Napi::Value> Fields::array(const char* field, size_t most) const {
  const Napi::Value value = get(field);
  if (!value.IsArray()) throw_wrong_type(name_of(field), "an array", value);
  const Napi::Array array = value.As<Napi::Array>();
  const size_t length = array.Length();
  if (length > most) {
    throw Error(ErrorKind::kRange, "expected " + name_of(field) + " to hold at most " +
                                       std::to_string(most) + " values, received " +
                                       std::to_string(length));
  }
  std::vector<Napi::Value> values;
  for (size_t i = 0; i < length; ++i) values.push_back(array.Get(static_cast<uint32_t>(i)));
  return values;
}

OwnedTexts texts_argument(Napi::Value bytes, Napi::Value offsets) {
  OwnedTexts texts;
  texts.offsets = copy_offsets(offsets, "offsets");
  const ArrayView view = view_of(bytes, "texts", "a Uint8Array");
  if (view.type != napi_uint8_array) {
    throw Error(ErrorKind::kType, std::string("expected texts to be a Uint8Array, received ") +
                                      array_type_name(view.type));
  }
  if (view.length > 0) texts.bytes.assign(static_cast<const char*>(view.data), view.length);
  check_starts(texts.offsets, "offsets", texts.bytes.size(), "bytes");
  return texts;
}

OwnedNumbers numbers_argument(Napi::Value value, const std::string& name) {
  constexpr const char* kExpected = "a Float32Array or Float64Array";
  const ArrayView view = view_of(value, name, kExpected);
  OwnedNumbers numbers;
  numbers.is_wide = view.type == napi_float64_array;
  if (numbers.is_wide) {
    numbers.wide = copy_elements<double>(view);
  } else if (view.type == napi_float32_array) {
    numbers.narrow = copy_elements<float>(view);
  } else {
    throw_wrong_type(name, kExpected, value);
  }
  return numbers;
}

std::vector<int32_t> integers_argument(Napi::Value value, const std::string& name) {
  return copy_int32(value, name);
}

TokenBatch tokens_argument(Napi::Value token_ids, Napi::Value cu_seqlens) {
  TokenBatch batch;
  batch.token_ids = copy_int32(token_ids, "tokenIds");
  batch.cu_seqlens = copy_int32(cu_seqlens, "cuSeqlens");
  check_starts(batch.cu_seqlens, "cuSeqlens", batch.token_ids.size(), "tokens");
  for (size_t i = 1; i < batch.cu_seqlens.size(); ++i) {
    batch.full_lengths.push_back(batch.cu_seqlens[i] - batch.cu_seqlens[i - 1]);
  }
  return batch;
}

}  // namespace simgpt
