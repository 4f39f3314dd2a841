// A static byte trie that answers "the longest key that starts here". Nodes lie in breadth-first
// order, so a node's children are neighbours; 12 bytes a node.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/limits.h"

namespace simgpt {

class PrefixTree {
 public:
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Match {
    int32_t value = -1;  // -1: no key starts here
    size_t length = 0;
  };

  PrefixTree() = default;
  // entries: distinct non-empty keys, values >= 0; sorted in place.
  PrefixTree(std::vector<std::pair<std::string_view, int32_t>>& entries, LoadBudget& budget);

  bool empty() const { return nodes_.size() <= 1; }
  uint32_t walk(uint32_t node, std::string_view bytes) const;  // kNone: no key goes that way
  // The longest key below `node` that is a prefix of [at, end). Visits at most the longest key.
  Match longest(uint32_t node, const char* at, const char* end) const;
  int64_t memory_bytes() const { return static_cast<int64_t>(nodes_.capacity() * sizeof(Node)); }

 private:
  struct Node {
    uint32_t first_child = 0;
    int32_t value = -1;
    uint16_t child_count = 0;
    uint8_t label = 0;
  };

  uint32_t child(uint32_t node, uint8_t label) const;

  std::vector<Node> nodes_;
};

inline uint32_t PrefixTree::child(uint32_t node, uint8_t label) const {
  const Node& parent = nodes_[node];
  uint32_t low = parent.first_child;
  uint32_t count = parent.child_count;
  while (count > 8) {
    const uint32_t half = count / 2;
    if (nodes_[low + half].label <= label) {
      low += half;
      count -= half;
    } else {
      count = half;
    }
  }
  for (uint32_t i = low; i < low + count; ++i) {
    if (nodes_[i].label == label) return i;
  }
  return kNone;
}

}  // namespace simgpt
