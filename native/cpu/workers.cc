#include "cpu/workers.h"

#include <ATen/Parallel.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

namespace simgpt {
namespace {

class Pool {
 public:
  // Runs pieces 1 … count - 1, as many at once as there are threads; returns at once.
  void start(int count, const std::function<void(int)>& work) {
    const std::lock_guard lock(mutex_);
    try {
      for (; threads_ < count - 1; ++threads_) std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
      // Too many threads for this process: finish() runs the pieces that nobody took.
    }
    work_ = &work;
    next_ = 1;
    count_ = count;
    wake_.notify_all();
  }

  // Helps with pieces not taken yet, then waits for the others' end.
  std::exception_ptr finish() {
    std::unique_lock lock(mutex_);
    while (next_ < count_) run_next(lock);
    idle_.wait(lock, [this] { return running_ == 0; });
    return std::exchange(error_, nullptr);
  }

 private:
  [[noreturn]] void serve() {
    at::set_num_threads(1);
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return next_ < count_; });
      run_next(lock);
    }
  }

  void run_next(std::unique_lock<std::mutex>& lock) {
    const int piece = next_++;
    const auto& work = *work_;
    ++running_;
    lock.unlock();
    std::exception_ptr error;
    try {
      work(piece);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && !error_) error_ = error;
    if (--running_ == 0) idle_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  const std::function<void(int)>* work_ = nullptr;
  int next_ = 0, count_ = 0, running_ = 0, threads_ = 0;
  std::exception_ptr error_;
};

}  // namespace

SerialOperators::SerialOperators() : before_(at::get_num_threads()) { at::set_num_threads(1); }
SerialOperators::~SerialOperators() { at::set_num_threads(before_); }

void run_workers(int count, const std::function<void(int)>& work) {
  // Lives until the process ends: its threads sleep in it, and no destructor waits for them.
  static Pool& pool = *new Pool;  // NOLINT: intended leak
  static std::mutex callers;
  const SerialOperators serial;
  const std::unique_lock<std::mutex> turn(callers, std::try_to_lock);
  if (!turn.owns_lock()) {
    for (int piece = 0; piece < count; ++piece) work(piece);
    return;
  }
  pool.start(count, work);
  std::exception_ptr error;
  try {
    work(0);
  } catch (...) {
    error = std::current_exception();
  }
  const std::exception_ptr other = pool.finish();
  if (error || other) std::rethrow_exception(error ? error : other);
}

}  // namespace simgpt
