// The layers of BERT and RoBERTa over packed rows, forwards and backwards. Threads take groups of
// whole sequences through all layers; on the way back they meet once a layer, where the gradients
// of the weights are summed over all rows. Every sum is made by one thread in a fixed order, so
// results do not depend on the number of threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "cancellation.h"
#include "train/parameters.h"
#include "train/pass_rows.h"

namespace simgpt {

template <typename T>
struct LayerBuffers {
  T *qkv, *probabilities, *mixed;               // [rows, 3 hidden], [kept numbers], [rows, hidden]
  T *attention_normalized, *attention_inverse;  // [rows, hidden], [rows]
  T* attended;                                  // [rows, hidden] behind the first LayerNorm
  T *inner, *activated;                         // [rows, intermediate] before and behind the GELU
  T *output_normalized, *output_inverse;
};

// What a pass writes and the way back reads, in the network's memory: good until its next pass.
template <typename T>
struct PassBuffers {
  std::vector<T*> hidden;  // H^(0) to H^(L), [rows, hidden]
  T *embedding_normalized, *embedding_inverse;
  std::vector<LayerBuffers<T>> layers;
};

// A thread's own memory.
template <typename T>
struct WorkerScratch {
  std::vector<uint32_t> words;
  std::vector<T> attention;
  std::vector<T> prefix;       // [4, k, hidden] dropped keys and values, and their gradients
  std::vector<T> d_attended;   // [group's rows, hidden]; the way back alone
  std::vector<T> d_activated;  // [group's rows, intermediate]
  std::vector<T> d_mixed;      // [group's rows, hidden]
  at::Tensor pass;             // buffers of a group, where a pass is not kept
};

template <typename T>
class Network {
 public:
  // Both must outlive the network; parameters.refresh() comes before each pass.
  Network(const TrainSpec& spec, const ParameterSet& parameters)
      : spec_(spec), parameters_(parameters) {}

  // Bytes that a kept pass holds for a sequence of this length.
  int64_t kept_bytes(int64_t length) const;

  // prompt       [k, 2 L hidden], undefined without a deep prompt
  // kept         filled where given; else every buffer is a thread's own and used again
  // returns      [sequences, poolings * hidden] in the order of rows.sequences
  at::Tensor forward(const PassRows& rows, const PassDraws& draws, const at::Tensor& prompt,
                     PassBuffers<T>* kept, const CancelToken& cancel);
  // Adds to the gradients of every trained parameter of the encoder, and to prompt_gradient.
  // gradients    of the states that a pooling reads; `last` is written over
  void backward(const PassRows& rows, const PassDraws& draws, const at::Tensor& prompt,
                at::Tensor& prompt_gradient, const PassBuffers<T>& kept, HiddenStates gradients,
                const CancelToken& cancel);

  int64_t memory_bytes() const;

 private:
  const TrainSpec& spec_;
  const ParameterSet& parameters_;
  // Kept from step to step: fresh pages cost a step a sixth of its time.
  at::Tensor kept_, way_;
  std::vector<WorkerScratch<T>> scratch_;
};

}  // namespace simgpt
