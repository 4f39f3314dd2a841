// A flag that stops a job. Set from any thread (AbortSignal, teardown), polled by the job between
// tiles, layers and 16 MB of I/O: at least every 50 ms of work (RELIABILITY 6.4).
#pragma once

#include <atomic>
#include <memory>

#include "error.h"

namespace simgpt {

class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}

  void cancel() const { flag_->store(true, std::memory_order_relaxed); }
  bool cancelled() const { return flag_->load(std::memory_order_relaxed); }
  // Throws Error("cancelled") once cancel() was called.
  void poll() const {
    if (cancelled()) throw Error("cancelled", "the job was cancelled");
  }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

}  // namespace simgpt
