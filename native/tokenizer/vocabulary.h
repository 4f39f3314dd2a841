// Token texts and their ids: one byte arena and an open-addressing table over it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/hash.h"
#include "tokenizer/limits.h"

namespace simgpt {

class Vocabulary {
 public:
  // False when the token is there already; its id then stays. Charges the budget as it grows.
  bool insert(std::string_view token, int32_t id, LoadBudget& budget);
  void assign(std::string_view token, int32_t id, LoadBudget& budget);  // the last id wins

  int32_t find(std::string_view token) const;  // -1: absent
  int64_t size() const { return static_cast<int64_t>(ids_.size()); }
  int32_t max_id() const { return max_id_; }  // -1 when empty
  std::string_view token(size_t index) const {
    return std::string_view(bytes_).substr(begins_[index], begins_[index + 1] - begins_[index]);
  }
  int32_t id(size_t index) const { return ids_[index]; }
  int64_t memory_bytes() const;

 private:
  size_t slot_of(std::string_view token) const;  // of the token, or the free one it would take
  void grow(LoadBudget& budget);

  std::string bytes_;
  std::vector<uint32_t> begins_ = {0};  // [tokens + 1]
  std::vector<int32_t> ids_;            // [tokens]
  std::vector<uint32_t> slots_;         // index + 1; 0: free; at most half full
  int32_t max_id_ = -1;
};

}  // namespace simgpt
