// How many processors this process may use: its affinity mask and the cgroup's share of time.
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "cpu.h"

namespace simgpt {

namespace {

// cpu.max: "max 100000" or "150000 100000".
std::optional<double> read_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return std::nullopt;
  std::istringstream number(quota);
  double value = 0;
  if (!(number >> value) || value <= 0) return std::nullopt;
  return value / period;
}

// cpu.cfs_quota_us is -1 where unlimited.
std::optional<double> read_v1(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
  std::ifstream period_file(folder + "/cpu.cfs_period_us");
  double quota = 0;
  double period = 0;
  if (!(quota_file >> quota) || !(period_file >> period)) return std::nullopt;
  if (quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

// The least quota from the cgroup up to the mount's root: a parent's limit binds its children. A
// container sees its own cgroup as the root, where the path from /proc does not exist: the walk
// then ends at the root all the same.
template <typename Read>
std::optional<double> least_along(const std::string& mount, std::string path, Read read) {
  std::optional<double> least;
  while (true) {
    const std::optional<double> here = read(mount + path);
    if (here && (!least || *here < *least)) least = here;
    const size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return least;
    path.resize(slash);
  }
}

// Whether the comma-separated controller list of a v1 line holds "cpu".
bool names_cpu(const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

}  // namespace

int affinity_count() {
  // Machines with more than 1024 processors need a larger mask; the call says so with EINVAL.
  for (int processors = 1024; processors <= 1 << 20; processors *= 4) {
    const size_t bytes = CPU_ALLOC_SIZE(processors);
    std::vector<unsigned char> storage(bytes);
    auto* mask = reinterpret_cast<cpu_set_t*>(storage.data());
    if (sched_getaffinity(0, bytes, mask) == 0) return std::max(1, CPU_COUNT_S(bytes, mask));
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

std::optional<double> cgroup_quota(const std::string& process_cgroup, const std::string& mount) {
  std::ifstream file(process_cgroup);
  std::optional<double> least;
  const auto consider = [&least](std::optional<double> found) {
    if (found && (!least || *found < *least)) least = found;
  };
  // Each line: hierarchy ":" controllers ":" path; version 2 is hierarchy 0 without controllers.
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers.empty()) {
      consider(least_along(mount, path, read_v2));
      consider(least_along(mount + "/unified", path, read_v2));
    } else if (names_cpu(controllers)) {
      consider(least_along(mount + "/cpu", path, read_v1));
      consider(least_along(mount + "/cpu,cpuacct", path, read_v1));
    }
  }
  return least;
}

int default_thread_count() {
  const int processors = affinity_count();
  const std::optional<double> quota = cgroup_quota();
  if (!quota) return std::min(processors, kMaxThreads);
  const int granted = static_cast<int>(std::ceil(std::min(*quota, double{kMaxThreads})));
  return std::clamp(granted, 1, std::min(processors, kMaxThreads));
}

}  // namespace simgpt
