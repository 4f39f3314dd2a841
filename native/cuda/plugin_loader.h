// Device cuda, opened at its first use: the plugin beside the addon, then LibTorch's CUDA library.
#pragma once

#include <string>

#include "plugin.h"

namespace simgpt::cuda {

// The checked table of the plugin. Throws Error("deviceUnavailable") that names the first thing in
// the way: no plugin, one made from other sources or for another LibTorch, no CUDA distribution, no
// driver, no device. Never falls back to the CPU. Any thread; what failed is tried again.
const PluginTable& plugin();

// Where the plugin is looked for: beside the addon.
std::string plugin_path();

}  // namespace simgpt::cuda
