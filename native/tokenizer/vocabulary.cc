#include "tokenizer/vocabulary.h"

#include <algorithm>

namespace simgpt {

size_t Vocabulary::slot_of(std::string_view token) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = hash_bytes(token, hash_key()) & mask;
  while (slots_[slot] != 0 && this->token(slots_[slot] - 1) != token) slot = (slot + 1) & mask;
  return slot;
}

void Vocabulary::grow(LoadBudget& budget) {
  const size_t count = std::max<size_t>(1024, slots_.size() * 2);
  // The arena and the index arrays double as well: charged here, ahead of their growth.
  budget.charge((count - slots_.size()) * sizeof(uint32_t) + count * sizeof(uint32_t) * 2);
  slots_.assign(count, 0);
  for (size_t i = 0; i < ids_.size(); ++i) {
    slots_[slot_of(token(i))] = static_cast<uint32_t>(i + 1);
  }
}

bool Vocabulary::insert(std::string_view token, int32_t id, LoadBudget& budget) {
  if ((ids_.size() + 1) * 2 > slots_.size()) grow(budget);
  const size_t slot = slot_of(token);
  if (slots_[slot] != 0) return false;
  budget.charge(token.size());
  bytes_.append(token);
  begins_.push_back(static_cast<uint32_t>(bytes_.size()));
  ids_.push_back(id);
  slots_[slot] = static_cast<uint32_t>(ids_.size());
  max_id_ = std::max(max_id_, id);
  return true;
}

void Vocabulary::assign(std::string_view token, int32_t id, LoadBudget& budget) {
  if (insert(token, id, budget)) return;
  ids_[slots_[slot_of(token)] - 1] = id;
  max_id_ = std::max(max_id_, id);
}

int32_t Vocabulary::find(std::string_view token) const {
  if (slots_.empty()) return -1;
  const uint32_t entry = slots_[slot_of(token)];
  return entry == 0 ? -1 : ids_[entry - 1];
}

int64_t Vocabulary::memory_bytes() const {
  return static_cast<int64_t>(bytes_.capacity() + begins_.capacity() * sizeof(uint32_t) +
                              ids_.capacity() * sizeof(int32_t) +
                              slots_.capacity() * sizeof(uint32_t));
}

}  // namespace simgpt
