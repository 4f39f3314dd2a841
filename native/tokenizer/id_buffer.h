// Ids of one worker, appended word by word.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace simgpt {

class IdBuffer {
 public:
  size_t size() const { return size_; }
  const int32_t* data() const { return ids_.data(); }
  void truncate(size_t size) { size_ = size; }

  void push(int32_t id) {
    if (size_ == ids_.size()) grow(1);
    ids_[size_++] = id;
  }
  void append(const int32_t* ids, size_t count) {
    if (count == 0) return;  // memcpy takes no null
    if (ids_.size() - size_ < count) grow(count);
    std::memcpy(ids_.data() + size_, ids, count * sizeof(int32_t));
    size_ += count;
  }
  // Copies kBlock ids whatever count is, so that the copy needs no loop; `ids` must hold them.
  template <size_t kBlock>
  void append_block(const int32_t* ids, size_t count) {
    if (ids_.size() - size_ < kBlock) grow(kBlock);
    std::memcpy(ids_.data() + size_, ids, kBlock * sizeof(int32_t));
    size_ += count;
  }
  void reserve(size_t count) {
    if (ids_.size() < count) ids_.resize(count);
  }
  // Empty again; memory beyond `kept` ids is returned.
  void clear(size_t kept) {
    size_ = 0;
    if (ids_.size() > kept) ids_ = {};
  }

 private:
  void grow(size_t count) { ids_.resize(std::max(ids_.size() * 2, ids_.size() + count + 1024)); }

  std::vector<int32_t> ids_;
  size_t size_ = 0;
};

}  // namespace simgpt
