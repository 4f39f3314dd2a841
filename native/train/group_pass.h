// One group of sequences on one thread: what network_forward.cc and network_backward.cc share.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

#include "train/kernels.h"
#include "train/network.h"
#include "train/products.h"

namespace simgpt {

template <typename T>
constexpr at::ScalarType kScalarType = std::is_same_v<T, double> ? at::kDouble : at::kFloat;

template <typename T>
struct GroupPass {
  const TrainSpec& spec;
  const ParameterSet& parameters;
  const PassRows& rows;
  const PassDraws& draws;
  const at::Tensor& prompt;
  const PassBuffers<T>& buffers;
  const PassGroup& group;
  WorkerScratch<T>& scratch;
  const CancelToken& cancel;
  // The buffers begin with this row and this kept number.
  int64_t first_row = 0, first_kept = 0;

  int64_t hidden() const { return spec.encoder.config.hidden_size; }
  int64_t intermediate() const { return spec.encoder.config.intermediate_size; }
  // The group's rows, or one sequence's, in a buffer of that width.
  T* at(T* buffer, int64_t width) const { return buffer + (group.row - first_row) * width; }
  T* at(T* buffer, int64_t width, const PassSequence& sequence) const {
    return buffer + (sequence.row - first_row) * width;
  }
  template <typename Function>
  void each_sequence(Function function) const {
    for (int64_t i = group.first; i < group.end; ++i) function(rows.sequences[i]);
  }
};

template <typename T>
const T* numbers(const at::Tensor& tensor) {
  return tensor.const_data_ptr<T>();
}
template <typename T>
T* mutable_numbers(const at::Tensor& tensor) {
  return tensor.mutable_data_ptr<T>();
}

// Takes tasks in order until none is left, on every thread; a failure ends all.
void run_tasks(int64_t count, const CancelToken& cancel,
               const std::function<void(int64_t task, int worker)>& work);

// Makes a worker's memory large enough for any group of the pass.
template <typename T>
void fit_scratch(WorkerScratch<T>& scratch, const PassRows& rows, const TrainSpec& spec,
                 bool backward);

// The first `count` numbers of a memory that grows where it must.
template <typename T>
T* fit(at::Tensor& memory, int64_t count) {
  if (!memory.defined() || memory.numel() < count) {
    memory = at::Tensor();  // freed first
    memory = at::empty({count}, kScalarType<T>);
  }
  return mutable_numbers<T>(memory);
}

// Attention's arguments for one sequence; prefix keys and values are dropped into the scratch.
template <typename T>
AttentionRows<T> attention_rows(const GroupPass<T>& pass, const PassSequence& sequence,
                                int64_t layer);

// x [rows, width] as a tensor over that memory
template <typename T>
at::Tensor as_tensor(T* data, int64_t rows, int64_t width) {
  return at::from_blob(data, {rows, width}, kScalarType<T>);
}

}  // namespace simgpt
