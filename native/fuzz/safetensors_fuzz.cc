// Structured mutations of safetensors headers: a valid header as a tree of named fields, edited
// where readers go wrong (offsets, sizes, counts, names, nesting), then printed and sometimes
// damaged as bytes. Promises checked: no crash, only simgpt::Error, memory at most the file and 1
// MiB, and what is accepted is consistent.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "checkpoint/safetensors.h"
#include "driver.h"
#include "error.h"

namespace simgpt::fuzz {
namespace {

constexpr int64_t kAllowedBeyondFile = 1 << 20;

struct Tensor {
  std::string name, dtype, shape, begin, end, extra;
};

const std::vector<std::string> kNumbers = {"0",
                                           "1",
                                           "2",
                                           "3",
                                           "4",
                                           "7",
                                           "8",
                                           "-1",
                                           "-0",
                                           "1.0",
                                           "1e2",
                                           "4294967295",
                                           "4294967296",
                                           "9223372036854775807",
                                           "9223372036854775808",
                                           "18446744073709551615",
                                           "18446744073709551616",
                                           "100000000000000000000000000000",
                                           "0x10",
                                           "01",
                                           "",
                                           "null",
                                           "true",
                                           "\"4\"",
                                           "[1]",
                                           "{}"};
const std::vector<std::string> kDtypes = {
    "F32",     "F16", "BF16", "I64",     "U8",
    "BOOL",    "F64", "F4",   "F6_E2M3", "C64",
    "F8_E4M3", "f32", "",     "F320",    "\\u0046\\u0033\\u0032"};
const std::vector<std::string> kNames = {"a",         "",         "__metadata__", "\\u0000",
                                         "a\\u0000b", "b.weight", "\\ud800",      "\xff\xfe",
                                         "__proto__", "\\u0061",  "\\\"",         "\n"};

std::string print(const Tensor& tensor) {
  return "\"" + tensor.name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":" + tensor.shape +
         ",\"data_offsets\":[" + tensor.begin + "," + tensor.end + "]" + tensor.extra + "}";
}

// Consistent tensors that cover the data exactly.
std::vector<Tensor> valid_tensors(Random& random, uint64_t* data_bytes) {
  std::vector<Tensor> tensors;
  uint64_t at = 0;
  const size_t count = random.below(9);
  for (size_t i = 0; i < count; ++i) {
    const bool half = random.once_in(2);
    std::string shape = "[";
    uint64_t elements = 1;
    for (size_t rank = random.below(4); rank > 0; --rank) {
      const uint64_t size = random.below(5);
      elements *= size;
      shape += std::to_string(size) + (rank > 1 ? "," : "");
    }
    const uint64_t bytes = elements * (half ? 2 : 4);
    tensors.push_back({"layer." + std::to_string(i), half ? "BF16" : "F32", shape + "]",
                       std::to_string(at), std::to_string(at + bytes), ""});
    at += bytes;
  }
  *data_bytes = at;
  return tensors;
}

std::string random_shape(Random& random) {
  std::string shape = "[";
  const size_t rank = random.once_in(16) ? 60 + random.below(10) : random.below(6);
  for (size_t i = 0; i < rank; ++i) shape += (i > 0 ? "," : "") + random.pick(kNumbers);
  return random.once_in(12) ? shape : shape + "]";
}

void mutate_fields(Random& random, std::vector<Tensor>& tensors) {
  if (tensors.empty()) return;
  Tensor& tensor = tensors[random.below(tensors.size())];
  switch (random.below(11)) {
    case 0:
      tensor.name = random.pick(kNames);
      break;
    case 1:
      tensor.name = tensors[random.below(tensors.size())].name;
      break;
    case 2:
      tensor.name = std::string(1020 + random.below(10), 'n');
      break;
    case 3:
      tensor.dtype = random.pick(kDtypes);
      break;
    case 4:
      tensor.shape = random_shape(random);
      break;
    case 5:
      tensor.begin = random.pick(kNumbers);
      break;
    case 6:
      tensor.end = random.pick(kNumbers);
      break;
    case 7:
      std::swap(tensor.begin, tensor.end);
      break;
    case 8:
      tensor.extra = ",\"x\":" + std::string(random.below(12), '[') + random.pick(kNumbers);
      break;
    case 9:
      tensor.extra = ",\"dtype\":\"F32\"";
      break;
    case 10:
      tensors.erase(tensors.begin() + static_cast<long>(random.below(tensors.size())));
      break;
  }
}

void mutate_bytes(Random& random, std::string& text) {
  if (text.empty()) return;
  const size_t at = random.below(text.size());
  switch (random.below(5)) {
    case 0:
      text[at] = static_cast<char>(random.next());
      break;
    case 1:
      text.erase(at, 1 + random.below(8));
      break;
    case 2:
      text.insert(at, text.substr(random.below(text.size()), random.below(40)));
      break;
    case 3:
      text.insert(at, 1, "{}[],:\"\\0e-"[random.below(11)]);
      break;
    case 4:
      text.resize(at);
      break;
  }
}

std::string mutated_header(Random& random, uint64_t* data_bytes) {
  std::vector<Tensor> tensors = valid_tensors(random, data_bytes);
  for (size_t edits = random.below(4); edits > 0; --edits) mutate_fields(random, tensors);
  if (random.once_in(3)) std::reverse(tensors.begin(), tensors.end());
  std::string text = random.once_in(3) ? "{\"__metadata__\":{\"format\":\"pt\"}" : "{";
  for (const Tensor& tensor : tensors) text += (text.size() > 1 ? "," : "") + print(tensor);
  text += "}";
  if (random.once_in(4)) text.append(random.below(9), ' ');
  for (size_t edits = random.once_in(3) ? 1 + random.below(3) : 0; edits > 0; --edits) {
    mutate_bytes(random, text);
  }
  if (random.once_in(10)) *data_bytes += random.below(9);
  return text;
}

// Wide, deep or long where a reader might allocate by what the text claims.
std::string bomb(Random& random) {
  const size_t size = 1000 + random.below(60000);
  switch (random.below(4)) {
    case 0:
      return std::string(size, '[');
    case 1:
      return "{\"a\":{\"x\":[" + std::string(size, '1') + "]}}";
    case 2: {
      std::string text = "{\"a\":{\"x\":[0";
      while (text.size() < size) text += ",0";
      return text + "]}}";
    }
    default:
      return "{\"" + std::string(size, 'k') + "\":{}}";
  }
}

std::string check(const SafetensorsHeader& header, uint64_t data_bytes) {
  uint64_t covered = 0;
  for (const TensorInfo& tensor : header.tensors) {
    uint64_t bytes = 0;
    if (!tensor_bytes(tensor.dtype, tensor.shape, &bytes)) return "accepted an overflowing shape";
    if (tensor.begin != covered || tensor.end - tensor.begin != bytes)
      return "accepted bad offsets";
    covered = tensor.end;
  }
  return covered == data_bytes ? "" : "accepted data that is not covered";
}

// Through the file: length prefix (perhaps a lie), data, reading of every tensor.
Outcome file_trial(Random& random, const std::string& text, uint64_t data_bytes) {
  static const std::string path =
      std::string(std::getenv("TMPDIR") ? std::getenv("TMPDIR") : "/tmp") + "/simgpt-fuzz-" +
      std::to_string(::getpid()) + ".safetensors";
  uint64_t length = text.size();
  if (random.once_in(4)) length = random.once_in(2) ? random.next() : random.below(2 * length + 2);
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  bytes += text + std::string(data_bytes, '\x3c');
  if (random.once_in(8)) bytes.resize(random.below(bytes.size() + 1));
  std::FILE* out = std::fopen(path.c_str(), "wb");
  if (out == nullptr) return {false, "cannot write " + path};
  std::fwrite(bytes.data(), 1, bytes.size(), out);
  std::fclose(out);
  Outcome outcome;
  reset_peak();
  const int64_t before = live_bytes();
  try {
    const SafetensorsFile file = SafetensorsFile::open(path);
    for (const TensorInfo& tensor : file.tensors()) {
      if (tensor.dtype != Dtype::kF32 && tensor.dtype != Dtype::kBF16) continue;
      std::vector<float> values((tensor.end - tensor.begin) / (dtype_bits(tensor.dtype) / 8));
      file.read_float32(tensor, values.data(), CancelToken());
    }
    outcome.accepted = true;
  } catch (const Error&) {
  }
  // float32 values of a bfloat16 file take twice its bytes.
  const int64_t allowed = 2 * static_cast<int64_t>(bytes.size()) + kAllowedBeyondFile;
  if (peak_bytes() - before > allowed) outcome.problem = "allocated beyond the file and 1 MiB";
  ::unlink(path.c_str());
  return outcome;
}

Outcome trial(Random& random, bool show) {
  uint64_t data_bytes = 0;
  const std::string text = random.once_in(200) ? bomb(random) : mutated_header(random, &data_bytes);
  if (show)
    std::printf("%llu data bytes, header %s\n", (unsigned long long)data_bytes, text.c_str());
  if (random.once_in(16)) return file_trial(random, text, data_bytes);
  Outcome outcome;
  reset_peak();
  const int64_t before = live_bytes();
  try {
    const SafetensorsHeader header = parse_safetensors_header(text, data_bytes, "fuzz");
    outcome.accepted = true;
    outcome.problem = check(header, data_bytes);
  } catch (const Error& error) {
    if (error.code() != "fileInvalid") outcome.problem = "unexpected code " + error.code();
    if (show) std::printf("refused: %s\n", error.what());
  }
  if (peak_bytes() - before > static_cast<int64_t>(data_bytes) + kAllowedBeyondFile) {
    outcome.problem = "allocated beyond the file and 1 MiB";
  }
  return outcome;
}

// For the differential against the reference reader: files and our verdicts on standard output, as
// (u32 length, file bytes, u32 length, refusal or nothing).
void emit(uint64_t seed, uint64_t trials) {
  const auto put = [](const std::string& bytes) {
    const auto length = static_cast<uint32_t>(bytes.size());
    std::fwrite(&length, sizeof length, 1, stdout);
    std::fwrite(bytes.data(), 1, bytes.size(), stdout);
  };
  for (uint64_t trial = 0; trial < trials; ++trial) {
    Random random(seed, trial);
    uint64_t data_bytes = 0;
    const std::string text = mutated_header(random, &data_bytes);
    const uint64_t length = text.size();
    std::string file(8, '\0');
    std::memcpy(file.data(), &length, 8);
    put(file + text + std::string(data_bytes, '\x3c'));
    try {
      parse_safetensors_header(text, data_bytes, "fuzz");
      put("");
    } catch (const Error& error) {
      put(error.what());
    }
  }
}

}  // namespace
}  // namespace simgpt::fuzz

int main(int count, char** arguments) {
  if (count == 4 && std::strcmp(arguments[1], "--emit") == 0) {
    simgpt::fuzz::emit(std::strtoull(arguments[2], nullptr, 10),
                       std::strtoull(arguments[3], nullptr, 10));
    return 0;
  }
  return simgpt::fuzz::run(count, arguments, {"safetensors", simgpt::fuzz::trial});
}
