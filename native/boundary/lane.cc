#include "lane.h"

#include <pthread.h>
#include <signal.h>

#include "faults.h"
#include "seeded_defects.h"

namespace simgpt {

void Lane::add(std::shared_ptr<Job> job) {
  {
    const std::lock_guard lock(join_mutex_);
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  {
    const std::lock_guard lock(mutex_);
    if constexpr (seeded(Defect::kLastInFirstOut)) {
      waiting_.push_front(std::move(job));
    } else {
      waiting_.push_back(std::move(job));
    }
  }
  added_.notify_one();
}

bool Lane::remove(const Job& job) {
  Jobs taken;  // destroyed after the lock
  const std::lock_guard lock(mutex_);
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if (it->get() != &job) continue;
    taken.splice(taken.end(), waiting_, it);
    return true;
  }
  return false;
}

std::shared_ptr<Job> Lane::take_finished() {
  const std::lock_guard lock(mutex_);
  if (finished_.empty()) return nullptr;
  std::shared_ptr<Job> job = std::move(finished_.front());
  finished_.pop_front();
  return job;
}

void Lane::wake_unless_stopping() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      if constexpr (!seeded(Defect::kCallAfterClosing)) return;
      count_wake_after_closing();
    }
  }
  // stop() may begin now: it joins this thread before the thread-safe function is released.
  wake_();
}

void Lane::run() noexcept {
  pthread_setname_np(pthread_self(), "simgpt-lane");
  sigset_t every;
  sigfillset(&every);
  pthread_sigmask(SIG_BLOCK, &every, nullptr);  // signals belong to Node's main thread
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      added_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      running_.splice(running_.end(), waiting_, waiting_.begin());
    }
    running_.front()->execute();
    {
      const std::lock_guard lock(mutex_);
      finished_.splice(finished_.end(), running_);
    }
    wake_unless_stopping();
  }
}

void Lane::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const std::shared_ptr<Job>& job : running_) job->cancel_token().cancel();
  }
  added_.notify_all();
  const std::lock_guard lock(join_mutex_);
  if (!thread_.joinable()) return;
  if constexpr (seeded(Defect::kJoinSkipped)) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void Lane::clear() noexcept {
  const std::lock_guard lock(mutex_);
  waiting_.clear();
  running_.clear();
  finished_.clear();
}

}  // namespace simgpt
