#include "cuda/plugin_loader.h"

#include <ATen/Context.h>
#include <dlfcn.h>
#include <torch/headeronly/version.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "error.h"

#if !defined(SIMGPT_PLUGIN_HASH)
#error "CMakeLists.txt states SIMGPT_PLUGIN_HASH for this file"
#endif

namespace simgpt::cuda {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void unavailable(const std::string& reason) {
  throw Error("deviceUnavailable", "expected device cuda to be usable, but " + reason);
}

// The folder of the library that holds an address.
fs::path folder_of(const void* address) {
  Dl_info info;
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code ignored;
  const fs::path path = fs::canonical(info.dli_fname, ignored);
  return (ignored ? fs::path(info.dli_fname) : path).parent_path();
}

std::string last_dl_error() {
  const char* text = dlerror();
  return text == nullptr ? "an unknown error" : text;
}

const PluginTable* open_plugin() {
  const std::string path = plugin_path();
  if (!fs::exists(path)) {
    unavailable("the plugin " + path + " is not built: set up with SIMGPT_COMPILE_CUDA=1");
  }
  // Its symbols stay its own. It is never closed: kernels may be in flight at any time.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) unavailable("the plugin cannot be loaded: " + last_dl_error());
  const auto entry = reinterpret_cast<PluginFunction>(dlsym(library, kPluginSymbol));
  if (entry == nullptr) unavailable(path + " has no " + kPluginSymbol);
  return entry();
}

void expect_same(const char* what, const char* ours, const char* its) {
  if (std::strcmp(ours, its) != 0) {
    unavailable(std::string("the plugin has ") + what + " " + its + " and the addon " + ours +
                ": set up again with SIMGPT_COMPILE_CUDA=1");
  }
}

void check(const PluginTable& table) {
  if (table.table_bytes != sizeof(PluginTable)) {
    unavailable(
        "the plugin has another table than the addon: set up again with "
        "SIMGPT_COMPILE_CUDA=1");
  }
  expect_same("LibTorch", TORCH_VERSION, table.libtorch);
  expect_same("the C++ ABI", kCxxAbi, table.cxx_abi);
  expect_same("source hash", SIMGPT_PLUGIN_HASH, table.source_hash);
}

// LibTorch's CUDA operators register themselves when their library is opened. It must be the one of
// the folder that libtorch_cpu.so came from.
void open_libtorch_cuda() {
  const void* anchor = reinterpret_cast<const void*>(&at::globalContext);
  const fs::path path = folder_of(anchor) / "libtorch_cuda.so";
  if (!fs::exists(path)) {
    unavailable("this LibTorch has no " + path.string() +
                ": name a CUDA distribution of LibTorch in SIMGPT_LIBTORCH and set up again");
  }
  if (dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE) == nullptr) {
    unavailable("LibTorch's CUDA library cannot be loaded: " + last_dl_error());
  }
}

const PluginTable* load() {
  const PluginTable* table = open_plugin();
  check(*table);
  open_libtorch_cuda();
  std::array<char, 256> error{};
  int32_t devices = 0;
  if (table->device_count(&devices, error.data(), error.size()) != 0) {
    unavailable(std::string("CUDA reports: ") + error.data());
  }
  if (devices == 0) unavailable("this machine has no CUDA device");
  // LibTorch asks for its CUDA half once in a process and remembers the answer; a backward pass on
  // the CPU asks.
  if (!at::hasCUDA()) {
    unavailable(
        "this process used LibTorch on the CPU before: begin with device cuda, or take a process "
        "of its own");
  }
  return table;
}

}  // namespace

std::string plugin_path() {
  return (folder_of(reinterpret_cast<const void*>(&plugin_path)) / "simgpt_cuda.so").string();
}

const PluginTable& plugin() {
  static std::mutex mutex;
  static const PluginTable* loaded = nullptr;
  const std::lock_guard lock(mutex);
  if (loaded == nullptr) loaded = load();
  return *loaded;
}

}  // namespace simgpt::cuda
