// How fast is mean_pool_normalized beside the same in plain operators, and does it agree with
// float64? CUDA where there is a device, and its CPU twin everywhere. Exits 1 on a wrong answer.
#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "cuda/plugin_loader.h"
#include "encoder/mean_pool_normalized.h"
#include "error.h"

namespace {

using simgpt::mean_pool_normalized;

struct Shape {
  int64_t hidden;
  std::vector<int32_t> lengths;
};

at::Tensor starts_of(const std::vector<int32_t>& lengths) {
  at::Tensor starts = at::zeros({static_cast<int64_t>(lengths.size()) + 1}, at::kInt);
  int32_t* at_start = starts.data_ptr<int32_t>();
  for (size_t i = 0; i < lengths.size(); ++i) at_start[i + 1] = at_start[i] + lengths[i];
  return starts;
}

// Plain operators, a sequence at a time, in float64 on the CPU.
at::Tensor oracle(const at::Tensor& hidden, const std::vector<int32_t>& lengths) {
  const at::Tensor wide = hidden.cpu().to(at::kDouble);
  std::vector<at::Tensor> rows;
  int64_t begin = 0;
  for (const int32_t length : lengths) {
    const at::Tensor mean = length == 0 ? at::zeros({wide.size(1)}, at::kDouble)
                                        : wide.slice(0, begin, begin + length).mean(0);
    rows.push_back(mean / mean.norm().clamp_min(1e-12));
    begin += length;
  }
  return at::stack(rows);
}

// What stock operators do for the same: scatter-add of rows, division, norm.
at::Tensor plain(const at::Tensor& hidden, const at::Tensor& sequence_of_row, int64_t sequences,
                 const at::Tensor& counts) {
  at::Tensor sum = at::zeros({sequences, hidden.size(1)}, hidden.options().dtype(at::kFloat));
  sum.index_add_(0, sequence_of_row, hidden.to(at::kFloat));
  sum.div_(counts);
  return sum.div_(sum.norm(2, 1, true).clamp_min(1e-12));
}

bool agrees(const Shape& shape, at::ScalarType type, at::Device device) {
  const at::Tensor starts = starts_of(shape.lengths);
  const int64_t tokens = starts[-1].item<int32_t>();
  const at::Tensor hidden = at::randn({tokens, shape.hidden}).to(type).to(device);
  const at::Tensor ours = mean_pool_normalized(hidden, starts.to(device)).cpu().to(at::kDouble);
  const double error = (ours - oracle(hidden, shape.lengths)).abs().max().item<double>();
  const bool ok = error <= 1e-6;  // unit rows in float32
  std::printf("%-4s %-8s hidden %4ld, %zu sequences: largest difference %.1e %s\n",
              device.is_cuda() ? "cuda" : "cpu", at::toString(type),
              static_cast<long>(shape.hidden), shape.lengths.size(), error, ok ? "ok" : "WRONG");
  return ok;
}

double median_ms(const std::function<void()>& work, const std::function<void()>& finish) {
  std::vector<double> times;
  for (int round = 0; round < 25; ++round) {
    const auto from = std::chrono::steady_clock::now();
    work();
    finish();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - from;
    if (round >= 5) times.push_back(took.count());
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

void time(int64_t hidden_size, at::ScalarType type, at::Device device) {
  const int64_t sequences = device.is_cuda() ? 2048 : 64, length = 128;
  const at::Tensor starts =
      starts_of(std::vector<int32_t>(static_cast<size_t>(sequences), length)).to(device);
  const at::Tensor hidden = at::randn({sequences * length, hidden_size}).to(type).to(device);
  const at::Tensor rows = at::arange(sequences, at::kLong).repeat_interleave(length).to(device);
  const at::Tensor counts = at::full({sequences, 1}, length, at::kFloat).to(device);
  // Reading one value waits for the device.
  at::Tensor last;
  const auto finish = [&] { last[-1][-1].item<float>(); };
  const double ours = median_ms([&] { last = mean_pool_normalized(hidden, starts); }, finish);
  const double theirs = median_ms([&] { last = plain(hidden, rows, sequences, counts); }, finish);
  const double gigabytes = static_cast<double>(hidden.nbytes()) / 1e9;
  std::printf(
      "%-4s %-8s hidden %4ld, %ld x %ld tokens: ours %.3f ms (%.0f GB/s), plain operators "
      "%.3f ms, ratio %.2f\n",
      device.is_cuda() ? "cuda" : "cpu", at::toString(type), static_cast<long>(hidden_size),
      static_cast<long>(sequences), static_cast<long>(length), ours, gigabytes / ours * 1e3, theirs,
      theirs / ours);
}

int run(bool timed) {
  const c10::InferenceMode no_gradients;
  at::manual_seed(1);
  std::vector<at::Device> devices = {at::kCPU};
  try {
    simgpt::cuda::plugin();
    devices.emplace_back(at::kCUDA, 0);
  } catch (const simgpt::Error& error) {
    std::printf("cuda skipped: %s\n", error.what());
  }
  // Sizes that no tile divides, an empty sequence at either end and in the middle.
  const std::vector<Shape> shapes = {
      {1, {1}},
      {31, {0, 1, 31, 0}},
      {257, {257, 1, 0, 3, 100}},
      {384, {128, 64, 1, 512}},
      {768, {7}},
      {1024, {0, 33, 0, 1025}},
      {24, {5, 0, 9}},
      {1030, {3, 70}},
  };
  bool ok = true;
  for (const at::Device device : devices) {
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      for (const Shape& shape : shapes) ok = agrees(shape, type, device) && ok;
      if (timed) {
        time(384, type, device);
        time(1024, type, device);
      }
    }
  }
  return ok ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(count < 2 || std::string(arguments[1]) != "--check");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
