#include "loss/turns.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "cpu/cpu.h"
#include "cpu/workers.h"

namespace simgpt {

Turns::Turns(int64_t panels, int64_t tiles, const CancelToken& cancel)
    : cancel_(cancel), passed_(static_cast<size_t>(tiles)) {}

bool Turns::wait(int64_t panel, int64_t tile) const {
  // A tile takes a fraction of a millisecond, and panels start a tile apart: mostly no wait at all.
  constexpr int kSpins = 256;
  constexpr int kYields = 1024;
  const std::atomic<int64_t>& passed = passed_[static_cast<size_t>(tile)];
  for (int i = 0; passed.load(std::memory_order_acquire) < panel; ++i) {
    if (failed_.load(std::memory_order_relaxed)) return false;
    if (i < kSpins) continue;
    cancel_.poll();
    if (i < kSpins + kYields) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  return !failed_.load(std::memory_order_relaxed);
}

void Turns::pass(int64_t panel, int64_t tile) {
  passed_[static_cast<size_t>(tile)].store(panel + 1, std::memory_order_release);
}

int worker_count(int64_t panels) {
  return static_cast<int>(std::clamp<int64_t>(panels, 1, thread_count()));
}

void for_each_panel(int64_t panels, int64_t tiles, const CancelToken& cancel,
                    const std::function<void(int, Turns&, int64_t)>& work) {
  Turns turns(panels, tiles, cancel);
  run_workers(worker_count(panels), [&](int worker) {
    try {
      for (int64_t panel = turns.next_panel(); panel < panels; panel = turns.next_panel()) {
        cancel.poll();
        work(worker, turns, panel);
      }
    } catch (...) {
      turns.fail();
      throw;
    }
  });
}

}  // namespace simgpt
