// Several threads over panels of columns, whose row sums must not depend on who came first.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "cancellation.h"

namespace simgpt {

// A thread takes panel after panel and walks its tiles in order; what it adds to the rows of a tile
// it adds after the panel before it did. So every sum runs in panel order, as if one thread had
// done all, and a thread waits only for one that works.
class Turns {
 public:
  Turns(int64_t panels, int64_t tiles, const CancelToken& cancel);

  // The next panel nobody has taken, or panels.
  int64_t next_panel() { return next_.fetch_add(1, std::memory_order_relaxed); }
  // Waits until the panel before has passed this tile; false once another thread failed. Throws
  // Error("cancelled").
  bool wait(int64_t panel, int64_t tile) const;
  void pass(int64_t panel, int64_t tile);
  void fail() { failed_.store(true, std::memory_order_relaxed); }

 private:
  const CancelToken& cancel_;
  std::atomic<int64_t> next_{0};
  std::atomic<bool> failed_{false};
  std::vector<std::atomic<int64_t>> passed_;  // [tiles] panels that are through
};

// Calls work(worker, turns, panel) for every panel on up to thread_count() workers, which number
// from 0 and stay below worker_count(panels).
int worker_count(int64_t panels);
void for_each_panel(int64_t panels, int64_t tiles, const CancelToken& cancel,
                    const std::function<void(int, Turns&, int64_t)>& work);

}  // namespace simgpt
