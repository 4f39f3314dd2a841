// The one thread of an environment: jobs in call order. Never libuv's pool, whose pending work
// holds worker.terminate() and process.exit() for a job's full length (RELIABILITY 6.3).
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "job.h"

namespace simgpt {

class Lane {
 public:
  // wake: called on the lane after each job, never once stop() was entered.
  explicit Lane(std::function<void()> wake) : wake_(std::move(wake)) {}
  ~Lane() { stop(); }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // JavaScript thread. The thread is started by the first job.
  void add(std::shared_ptr<Job> job);
  // Takes a job out of the queue; false where it runs already or is done.
  bool remove(const Job& job);
  // The oldest finished job, or null.
  std::shared_ptr<Job> take_finished();

  // Any thread, any number of times: cancels the running job, drops the waiting ones unrun, joins.
  void stop() noexcept;
  // JavaScript thread, after stop(): destroys what is left.
  void clear() noexcept;

  // From the lane: wake(), unless closing.
  void wake_unless_stopping() noexcept;

 private:
  using Jobs = std::list<std::shared_ptr<Job>>;
  void run() noexcept;

  const std::function<void()> wake_;
  std::mutex mutex_;  // guards everything below but thread_
  std::condition_variable added_;
  // A job's node moves from list to list: the lane allocates nothing and never owns a job last.
  Jobs waiting_;
  Jobs running_;
  Jobs finished_;
  bool stopping_ = false;

  std::mutex join_mutex_;  // guards thread_
  std::thread thread_;
};

}  // namespace simgpt
