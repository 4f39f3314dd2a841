#include <algorithm>
#include <atomic>
#include <cstring>

#include "cpu/cpu.h"
#include "cpu/workers.h"
#include "encoder/pooling.h"
#include "train/group_pass.h"

namespace simgpt {
namespace {

// y [rows, out] = x [rows, in] W^T + b
template <typename T>
void linear_forward(const LinearParameters& linear, int64_t rows, const T* x, T* y) {
  const int64_t in = linear.transposed.size(0), out = linear.transposed.size(1);
  const T* bias = numbers<T>(linear.bias);
  for (int64_t row = 0; row < rows; ++row) std::copy(bias, bias + out, y + row * out);
  multiply<T>(rows, out, in, {x, in}, {numbers<T>(linear.transposed), out}, {y, out},
              /*adds=*/true);
}

template <typename T>
void embed(const GroupPass<T>& pass) {
  const int64_t hidden = pass.hidden();
  const T* words = numbers<T>(pass.parameters.word.rows);
  const T* positions = numbers<T>(pass.parameters.position.rows);
  // Segment row 0 is added to every position, also where no segments are used (PERFORMANCE 6).
  const T* type = numbers<T>(pass.parameters.type.rows);
  T* out = pass.at(pass.buffers.hidden[0], hidden);
  for (int64_t i = 0; i < pass.group.rows; ++i) {
    const int64_t row = pass.group.row + i;
    const T* word = words + pass.rows.packed.token_ids[row] * hidden;
    const T* position = positions + pass.rows.positions[row] * hidden;
    for (int64_t c = 0; c < hidden; ++c) out[i * hidden + c] = word[c] + type[c] + position[c];
  }
  const NormParameters& norm = pass.parameters.embedding_norm;
  pass.each_sequence([&](const PassSequence& sequence) {
    T* x = pass.at(pass.buffers.hidden[0], hidden, sequence);
    train_kernels<T>().add_norm({sequence.length,
                                 hidden,
                                 x,
                                 nullptr,
                                 numbers<T>(norm.weight),
                                 numbers<T>(norm.bias),
                                 pass.spec.encoder.config.layer_norm_eps,
                                 {},
                                 pass.at(pass.buffers.embedding_normalized, hidden, sequence),
                                 pass.at(pass.buffers.embedding_inverse, 1, sequence),
                                 x,
                                 pass.scratch.words.data()});
    const Dropout dropout =
        pass.draws.dropout(sequence, 0, kEmbeddingSite, pass.spec.hidden_dropout);
    if (dropout.threshold == 0) return;
    for (int64_t row = 0; row < sequence.length; ++row, x += hidden) {
      train_kernels<T>().drop(dropout, static_cast<uint64_t>(row * hidden), hidden, x, x,
                              pass.scratch.words.data());
    }
  });
}

// out = LayerNorm(residual + dropout(x)) for every sequence of the group
template <typename T>
void add_norm(const GroupPass<T>& pass, const NormParameters& norm, int64_t layer, uint32_t site,
              const T* residual, T* x, T* normalized, T* inverse) {
  const int64_t hidden = pass.hidden();
  pass.each_sequence([&](const PassSequence& sequence) {
    const int64_t first = (sequence.row - pass.first_row) * hidden;
    train_kernels<T>().add_norm(
        {sequence.length, hidden, x + first, residual + first, numbers<T>(norm.weight),
         numbers<T>(norm.bias), pass.spec.encoder.config.layer_norm_eps,
         pass.draws.dropout(sequence, layer, site, pass.spec.hidden_dropout), normalized + first,
         pass.at(inverse, 1, sequence), x + first, pass.scratch.words.data()});
  });
}

template <typename T>
void layer_forward(const GroupPass<T>& pass, int64_t index) {
  const LayerParameters& layer = pass.parameters.layers[static_cast<size_t>(index)];
  const LayerBuffers<T>& buffers = pass.buffers.layers[static_cast<size_t>(index)];
  const int64_t hidden = pass.hidden(), inner_size = pass.intermediate(), rows = pass.group.rows;
  T* input = pass.buffers.hidden[static_cast<size_t>(index)];
  T* output = pass.buffers.hidden[static_cast<size_t>(index) + 1];

  pass.cancel.poll();
  linear_forward(layer.qkv, rows, pass.at(input, hidden), pass.at(buffers.qkv, 3 * hidden));
  pass.each_sequence([&](const PassSequence& sequence) {
    train_kernels<T>().attention(attention_rows(pass, sequence, index));
  });
  linear_forward(layer.attention_output, rows, pass.at(buffers.mixed, hidden),
                 pass.at(buffers.attended, hidden));
  add_norm(pass, layer.attention_norm, index, kAttentionOutputSite, input, buffers.attended,
           buffers.attention_normalized, buffers.attention_inverse);

  pass.cancel.poll();
  T* inner = pass.at(buffers.inner, inner_size);
  T* activated = pass.at(buffers.activated, inner_size);
  linear_forward(layer.intermediate, rows, pass.at(buffers.attended, hidden), inner);
  at::Tensor target = as_tensor(activated, rows, inner_size);
  at::gelu_out(target, as_tensor(inner, rows, inner_size),
               pass.spec.encoder.config.activation == Activation::kGelu ? "none" : "tanh");
  pass.cancel.poll();
  linear_forward(layer.output, rows, activated, pass.at(output, hidden));
  add_norm(pass, layer.output_norm, index, kFeedForwardSite, buffers.attended, output,
           buffers.output_normalized, buffers.output_inverse);
}

template <typename T>
void pool(const GroupPass<T>& pass, at::Tensor& pooled) {
  const int64_t hidden = pass.hidden();
  const auto& states = pass.buffers.hidden;
  const auto state = [&](size_t index) {
    return as_tensor(pass.at(states[index], hidden), pass.group.rows, hidden);
  };
  const HiddenStates group_states{state(states.size() - 1), state(1), state(states.size() - 2),
                                  state(0)};
  std::vector<int32_t> starts;
  for (int64_t i = pass.group.first; i <= pass.group.end; ++i) {
    starts.push_back(pass.rows.packed.cu_seqlens[i] - static_cast<int32_t>(pass.group.row));
  }
  const auto& pooling = pass.spec.encoder.pooling;
  pooled.slice(0, pass.group.first, pass.group.end)
      .copy_(std::is_same_v<T, double> ? pool_reference(group_states, starts, pooling)
                                       : pool_cpu(group_states, starts, pooling));
}

// Cuts `count` numbers from a buffer, in whole cache lines.
template <typename T>
class Cutter {
 public:
  explicit Cutter(T* memory) : memory_(memory) {}
  T* take(int64_t count) {
    T* taken = memory_ == nullptr ? nullptr : memory_ + used_;
    used_ += round_to_vector(count);
    return taken;
  }
  int64_t used() const { return used_; }

 private:
  T* memory_;
  int64_t used_ = 0;
};

// every_layer: each layer has buffers of its own, else all share one layer's.
template <typename T>
int64_t lay_out(PassBuffers<T>& buffers, T* memory, const EncoderConfig& config, int64_t rows,
                int64_t kept_numbers, bool every_layer) {
  Cutter<T> cutter(memory);
  const int64_t hidden = config.hidden_size, inner = config.intermediate_size;
  buffers.hidden.clear();
  buffers.layers.clear();
  for (int64_t i = 0; i <= config.layer_count; ++i) {
    buffers.hidden.push_back(cutter.take(rows * hidden));
  }
  buffers.embedding_normalized = cutter.take(rows * hidden);
  buffers.embedding_inverse = cutter.take(rows);
  for (int64_t i = 0; i < config.layer_count; ++i) {
    if (i > 0 && !every_layer) {
      buffers.layers.push_back(buffers.layers[0]);
      continue;
    }
    LayerBuffers<T> layer;
    layer.qkv = cutter.take(rows * 3 * hidden);
    layer.probabilities = cutter.take(kept_numbers);
    layer.mixed = cutter.take(rows * hidden);
    layer.attention_normalized = cutter.take(rows * hidden);
    layer.attention_inverse = cutter.take(rows);
    layer.attended = cutter.take(rows * hidden);
    layer.inner = cutter.take(rows * inner);
    layer.activated = cutter.take(rows * inner);
    layer.output_normalized = cutter.take(rows * hidden);
    layer.output_inverse = cutter.take(rows);
    buffers.layers.push_back(layer);
  }
  return cutter.used();
}

template <typename T>
PassBuffers<T> buffers_in(at::Tensor& memory, const EncoderConfig& config, int64_t rows,
                          int64_t kept_numbers, bool every_layer) {
  PassBuffers<T> buffers;
  const int64_t count = lay_out<T>(buffers, nullptr, config, rows, kept_numbers, every_layer);
  lay_out<T>(buffers, fit<T>(memory, count), config, rows, kept_numbers, every_layer);
  return buffers;
}

}  // namespace

void run_tasks(int64_t count, const CancelToken& cancel,
               const std::function<void(int64_t task, int worker)>& work) {
  std::atomic<int64_t> next{0};
  const auto threads = static_cast<int>(std::min<int64_t>(thread_count(), count));
  run_workers(std::max(threads, 1), [&](int worker) {
    const c10::InferenceMode inference;
    try {
      for (int64_t task = next++; task < count; task = next++) {
        cancel.poll();
        work(task, worker);
      }
    } catch (...) {
      next = count;
      throw;
    }
  });
}

template <typename T>
void fit_scratch(WorkerScratch<T>& scratch, const PassRows& rows, const TrainSpec& spec,
                 bool backward) {
  const EncoderConfig& config = spec.encoder.config;
  const int64_t k = spec.prompt_length, size = config.hidden_size / config.head_count;
  int64_t most = 0;
  for (const PassGroup& group : rows.groups) most = std::max(most, group.rows);
  const auto grow = [](auto& memory, int64_t count) {
    if (std::ssize(memory) < count) memory.resize(static_cast<size_t>(count));
  };
  grow(scratch.words, std::max(config.hidden_size, rows.longest * (k + rows.longest)));
  grow(scratch.attention, attention_scratch(rows.longest, k, size));
  grow(scratch.prefix, 4 * k * config.hidden_size);
  if (!backward) return;
  grow(scratch.d_attended, most * config.hidden_size);
  grow(scratch.d_activated, most * config.intermediate_size);
  grow(scratch.d_mixed, most * config.hidden_size);
}
template void fit_scratch(WorkerScratch<float>&, const PassRows&, const TrainSpec&, bool);
template void fit_scratch(WorkerScratch<double>&, const PassRows&, const TrainSpec&, bool);

template <typename T>
AttentionRows<T> attention_rows(const GroupPass<T>& pass, const PassSequence& sequence,
                                int64_t layer) {
  const EncoderConfig& config = pass.spec.encoder.config;
  const LayerBuffers<T>& buffers = pass.buffers.layers[static_cast<size_t>(layer)];
  const int64_t k = pass.spec.prompt_length, hidden = config.hidden_size;
  AttentionRows<T> rows;
  rows.length = sequence.length;
  rows.heads = config.head_count;
  rows.size = hidden / config.head_count;
  rows.prefix = k;
  rows.qkv = pass.at(buffers.qkv, 3 * hidden, sequence);
  rows.dropout = pass.draws.dropout(sequence, layer, kAttentionSite, pass.spec.attention_dropout);
  rows.probabilities = buffers.probabilities + sequence.kept - pass.first_kept;
  rows.out = pass.at(buffers.mixed, hidden, sequence);
  rows.scratch = pass.scratch.attention.data();
  rows.words = pass.scratch.words.data();
  if (k == 0) return rows;

  T* prefix = pass.scratch.prefix.data();  // keys and values, then their gradients
  const Dropout dropout =
      pass.draws.dropout(sequence, layer, kPromptSite, pass.spec.hidden_dropout);
  const int64_t width = pass.prompt.size(1);
  for (int64_t part = 0; part < 2; ++part) {
    for (int64_t row = 0; row < k; ++row) {
      const int64_t element = (part * k + row) * hidden;
      const T* source = numbers<T>(pass.prompt) + row * width + (2 * layer + part) * hidden;
      if (dropout.threshold == 0) {
        std::copy(source, source + hidden, prefix + element);
      } else {
        train_kernels<T>().drop(dropout, static_cast<uint64_t>(element), hidden, source,
                                prefix + element, pass.scratch.words.data());
      }
    }
  }
  rows.prefix_keys = prefix;
  rows.prefix_values = prefix + k * hidden;
  rows.d_prefix_keys = prefix + 2 * k * hidden;
  rows.d_prefix_values = prefix + 3 * k * hidden;
  return rows;
}
template AttentionRows<float> attention_rows(const GroupPass<float>&, const PassSequence&, int64_t);
template AttentionRows<double> attention_rows(const GroupPass<double>&, const PassSequence&,
                                              int64_t);

template <typename T>
int64_t Network<T>::kept_bytes(int64_t length) const {
  PassBuffers<T> buffers;
  const EncoderConfig& config = spec_.encoder.config;
  const int64_t kept = attention_kept(length, spec_.prompt_length, config.head_count);
  const int64_t count = lay_out<T>(buffers, nullptr, config, length, kept, true);
  // The way back adds gradients of the states and, twice, of what each product gives.
  const int64_t backward =
      length * (2 * (5 * config.hidden_size + config.intermediate_size) + 2 * config.hidden_size);
  return (count + backward) * static_cast<int64_t>(sizeof(T));
}

template <typename T>
at::Tensor Network<T>::forward(const PassRows& rows, const PassDraws& draws,
                               const at::Tensor& prompt, PassBuffers<T>* kept,
                               const CancelToken& cancel) {
  const EncoderConfig& config = spec_.encoder.config;
  const auto width = config.hidden_size * std::ssize(spec_.encoder.pooling);
  at::Tensor pooled = at::empty({std::ssize(rows.sequences), width}, kScalarType<T>);
  if (kept != nullptr) {
    *kept = buffers_in<T>(kept_, config, rows.packed.rows, rows.kept_numbers, true);
  }
  int64_t most_rows = 0, most_kept = 0;
  for (const PassGroup& group : rows.groups) {
    most_rows = std::max(most_rows, group.rows);
    most_kept = std::max(most_kept, group.kept_numbers);
  }
  scratch_.resize(thread_count());
  std::vector<PassBuffers<T>> own(thread_count());
  run_tasks(std::ssize(rows.groups), cancel, [&](int64_t task, int worker) {
    const PassGroup& group = rows.groups[task];
    WorkerScratch<T>& scratch = scratch_[worker];
    fit_scratch<T>(scratch, rows, spec_, /*backward=*/false);
    if (kept == nullptr && own[worker].hidden.empty()) {
      own[worker] = buffers_in<T>(scratch.pass, config, most_rows, most_kept, false);
    }
    const bool keeps = kept != nullptr;
    const GroupPass<T> pass{spec_,
                            parameters_,
                            rows,
                            draws,
                            prompt,
                            keeps ? *kept : own[worker],
                            group,
                            scratch,
                            cancel,
                            keeps ? 0 : group.row,
                            keeps ? 0 : group.kept};
    embed(pass);
    for (int64_t layer = 0; layer < config.layer_count; ++layer) layer_forward(pass, layer);
    pool(pass, pooled);
  });
  return pooled;
}

template <typename T>
int64_t Network<T>::memory_bytes() const {
  size_t bytes = 0;
  const auto add = [&](const at::Tensor& memory) {
    bytes += memory.defined() ? memory.nbytes() : 0;
  };
  add(kept_);
  add(way_);
  for (const WorkerScratch<T>& scratch : scratch_) {
    add(scratch.pass);
    bytes += scratch.words.size() * sizeof(uint32_t);
    for (const auto* part : {&scratch.attention, &scratch.prefix, &scratch.d_attended,
                             &scratch.d_activated, &scratch.d_mixed}) {
      bytes += part->size() * sizeof(T);
    }
  }
  return static_cast<int64_t>(bytes);
}

template class Network<float>;
template class Network<double>;

}  // namespace simgpt
