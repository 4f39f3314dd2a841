// Whole pieces of work on several threads, each of which computes alone.
#pragma once

#include <functional>

namespace simgpt {

// While one lives, LibTorch, OpenMP and MKL use one thread in the calling thread: for operators so
// small that waking others costs more than they do, and whose OpenMP team would then spin beside
// workers.
class SerialOperators {
 public:
  SerialOperators();
  ~SerialOperators();
  SerialOperators(const SerialOperators&) = delete;
  SerialOperators& operator=(const SerialOperators&) = delete;

 private:
  int before_;
};

// Runs work(0) … work(count - 1) at once: work(0) on the calling thread, the others on threads of
// our own that sleep between calls. On all of them LibTorch, OpenMP and MKL use one thread, so no
// operator waits at a barrier: an OpenMP team spins there, and on a busy machine burns three times
// the work's own time. Where another caller holds the threads, or fewer than count can be made, the
// calling thread runs what is left itself, one after the other. Rethrows the first exception once
// every piece has ended.
void run_workers(int count, const std::function<void(int)>& work);

}  // namespace simgpt
