#include "tokenizer/prefix_tree.h"

#include <algorithm>

namespace simgpt {

PrefixTree::PrefixTree(std::vector<std::pair<std::string_view, int32_t>>& entries,
                       LoadBudget& budget) {
  std::sort(entries.begin(), entries.end());
  // Each node stands for a range of sorted keys that share its prefix.
  struct Range {
    uint32_t low, high;
  };
  std::vector<Range> level = {{0, static_cast<uint32_t>(entries.size())}};
  std::vector<Range> next;
  nodes_.push_back({});
  uint32_t level_begin = 0;
  for (size_t depth = 0; !level.empty(); ++depth) {
    next.clear();
    for (size_t i = 0; i < level.size(); ++i) {
      auto [low, high] = level[i];
      const uint32_t node = level_begin + static_cast<uint32_t>(i);
      if (low < high && entries[low].first.size() == depth)
        nodes_[node].value = entries[low++].second;
      nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
      while (low < high) {
        const char label = entries[low].first[depth];
        const uint32_t begin = low;
        while (low < high && entries[low].first[depth] == label) ++low;
        budget.charge(sizeof(Node) + sizeof(Range));
        nodes_.push_back({0, -1, 0, static_cast<uint8_t>(label)});
        ++nodes_[node].child_count;
        next.push_back({begin, low});
      }
    }
    level_begin += static_cast<uint32_t>(level.size());
    level.swap(next);
  }
  nodes_.shrink_to_fit();
}

uint32_t PrefixTree::walk(uint32_t node, std::string_view bytes) const {
  if (nodes_.empty()) return kNone;
  for (const char byte : bytes) {
    node = child(node, static_cast<uint8_t>(byte));
    if (node == kNone) return kNone;
  }
  return node;
}

PrefixTree::Match PrefixTree::longest(uint32_t node, const char* at, const char* end) const {
  Match match;
  if (nodes_.empty() || node == kNone) return match;
  for (const char* p = at; p < end; ++p) {
    node = child(node, static_cast<uint8_t>(*p));
    if (node == kNone) break;
    if (nodes_[node].value >= 0) match = {nodes_[node].value, static_cast<size_t>(p - at) + 1};
  }
  return match;
}

}  // namespace simgpt
