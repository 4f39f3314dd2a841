#include <algorithm>

#include "cpu/cpu.h"
#include "train/group_pass.h"
#include "train/weight_gradients.h"

namespace simgpt {
namespace {

// Gradients on their way down. Two layers' products are alive at once: while groups go back through
// one layer, the weights of the layer above are summed.
template <typename T>
struct Way {
  at::Tensor d_hidden;  // [rows, hidden] of the state that is reached
  ProductGradients<T> products[2];
  at::Tensor sums[2];         // [groups, SumPlaces::width]
  at::Tensor embedding_sums;  // [groups, 2 hidden]
  SumPlaces places;

  Way(const TrainSpec& spec, const PassRows& rows, at::Tensor d_last, at::Tensor& memory)
      : d_hidden(std::move(d_last)), places(spec) {
    const int64_t hidden = spec.encoder.config.hidden_size;
    const int64_t inner = spec.encoder.config.intermediate_size;
    const int64_t count = rows.packed.rows;
    const int64_t half_numbers = count * (5 * hidden + inner);
    T* numbers = fit<T>(memory, 2 * half_numbers);
    const auto groups = std::ssize(rows.groups);
    for (int64_t half = 0; half < 2; ++half) {
      T* first = numbers + half * half_numbers;
      products[half] = {first, first + count * 3 * hidden, first + count * 4 * hidden,
                        first + count * (4 * hidden + inner)};
      sums[half] = at::empty({groups, places.width}, kScalarType<T>);
    }
    embedding_sums = at::zeros({groups, 2 * hidden}, kScalarType<T>);
  }
};

// The LayerNorm of `norm` and the dropout before it, for every sequence of the group. The sums go
// to the group's row of sums, three from `place` on: weight, bias, bias of the linear layer.
template <typename T>
struct NormWayBack {
  const NormParameters& norm;
  int64_t layer;
  uint32_t site;
  const T *normalized, *inverse;  // of the whole pass
  T* gradient;                    // [group's rows, hidden] of what came out; then of the residual
  T* d_x;                         // [rows of the pass, hidden]
  T *weight_sum, *bias_sum, *x_sum;
};

template <typename T>
void norm_backward(const GroupPass<T>& pass, const NormWayBack<T>& way) {
  const int64_t hidden = pass.hidden();
  pass.each_sequence([&](const PassSequence& sequence) {
    T* gradient = way.gradient + (sequence.row - pass.group.row) * hidden;
    train_kernels<T>().add_norm_backward(
        {sequence.length, hidden, gradient, way.normalized + sequence.row * hidden,
         way.inverse + sequence.row, numbers<T>(way.norm.weight),
         pass.draws.dropout(sequence, way.layer, way.site, pass.spec.hidden_dropout), gradient,
         way.d_x == nullptr ? nullptr : way.d_x + sequence.row * hidden, way.weight_sum,
         way.bias_sum, way.x_sum, pass.scratch.words.data()});
  });
}

// x's gradient [rows, in] = dY [rows, out] W
template <typename T>
void linear_backward(const LinearParameters& linear, int64_t rows, const T* d_output, T* d_input,
                     bool adds) {
  const int64_t out = linear.effective.size(0), in = linear.effective.size(1);
  multiply<T>(rows, in, out, {d_output, out}, {numbers<T>(linear.effective), in}, {d_input, in},
              adds);
}

// Gradients of a sequence's dropped prompt rows, through their masks, onto the group's sums.
template <typename T>
void prompt_backward(const GroupPass<T>& pass, const PassSequence& sequence, int64_t layer,
                     T* sums) {
  const int64_t hidden = pass.hidden(), k = pass.spec.prompt_length;
  T* gradient = pass.scratch.prefix.data() + 2 * k * hidden;
  const Dropout dropout =
      pass.draws.dropout(sequence, layer, kPromptSite, pass.spec.hidden_dropout);
  for (int64_t row = 0; row < 2 * k; ++row) {
    T* one = gradient + row * hidden;
    if (dropout.threshold > 0) {
      train_kernels<T>().drop(dropout, static_cast<uint64_t>(row * hidden), hidden, one, one,
                              pass.scratch.words.data());
    }
    for (int64_t c = 0; c < hidden; ++c) sums[row * hidden + c] += one[c];
  }
}

// From the gradient of the layer's output to that of its input, in way.d_hidden.
template <typename T>
void layer_backward(const GroupPass<T>& pass, Way<T>& way, int64_t index) {
  const LayerParameters& layer = pass.parameters.layers[static_cast<size_t>(index)];
  const LayerBuffers<T>& kept = pass.buffers.layers[static_cast<size_t>(index)];
  const ProductGradients<T>& products = way.products[index % 2];
  const SumPlaces& places = way.places;
  const int64_t hidden = pass.hidden(), inner = pass.intermediate(), rows = pass.group.rows;
  const int64_t group = &pass.group - pass.rows.groups.data();
  T* sums = mutable_numbers<T>(way.sums[index % 2]) + group * places.width;
  std::fill(sums, sums + places.width, T{0});
  T* d_hidden = pass.at(mutable_numbers<T>(way.d_hidden), hidden);

  pass.cancel.poll();
  T* d_attended = pass.scratch.d_attended.data();
  std::copy(d_hidden, d_hidden + rows * hidden, d_attended);
  norm_backward<T>(pass,
                   {layer.output_norm, index, kFeedForwardSite, kept.output_normalized,
                    kept.output_inverse, d_attended, products.output, sums + places.output_weight,
                    sums + places.output_norm_bias, sums + places.output_bias});
  T* d_activated = pass.scratch.d_activated.data();
  linear_backward(layer.output, rows, pass.at(products.output, hidden), d_activated, false);
  T* d_inner = pass.at(products.inner, inner);
  at::Tensor target = as_tensor(d_inner, rows, inner);
  at::gelu_backward_out(target, as_tensor(d_activated, rows, inner),
                        as_tensor(pass.at(kept.inner, inner), rows, inner),
                        pass.spec.encoder.config.activation == Activation::kGelu ? "none" : "tanh");
  train_kernels<T>().add_columns(d_inner, rows, inner, sums + places.inner_bias);
  pass.cancel.poll();
  linear_backward(layer.intermediate, rows, d_inner, d_attended, true);

  norm_backward<T>(pass, {layer.attention_norm, index, kAttentionOutputSite,
                          kept.attention_normalized, kept.attention_inverse, d_attended,
                          products.attention_output, sums + places.attention_weight,
                          sums + places.attention_bias, sums + places.attention_output_bias});
  T* d_mixed = pass.scratch.d_mixed.data();
  linear_backward(layer.attention_output, rows, pass.at(products.attention_output, hidden), d_mixed,
                  false);
  pass.each_sequence([&](const PassSequence& sequence) {
    AttentionRows<T> attention = attention_rows(pass, sequence, index);
    attention.d_out = d_mixed + (sequence.row - pass.group.row) * hidden;
    attention.d_qkv = products.qkv + sequence.row * 3 * hidden;
    train_kernels<T>().attention_backward(attention);
    if (pass.spec.prompt_length > 0) {
      prompt_backward(pass, sequence, index, sums + places.prompt);
    }
  });
  T* d_qkv = pass.at(products.qkv, 3 * hidden);
  train_kernels<T>().add_columns(d_qkv, rows, 3 * hidden, sums + places.qkv_bias);
  pass.cancel.poll();
  std::copy(d_attended, d_attended + rows * hidden, d_hidden);
  linear_backward(layer.qkv, rows, d_qkv, d_hidden, true);
}

// From the gradient of H^(0) to that of the sum of the embeddings, in way.d_hidden.
template <typename T>
void embedding_backward(const GroupPass<T>& pass, Way<T>& way) {
  const int64_t hidden = pass.hidden();
  const int64_t group = &pass.group - pass.rows.groups.data();
  T* d_hidden = pass.at(mutable_numbers<T>(way.d_hidden), hidden);
  pass.each_sequence([&](const PassSequence& sequence) {
    const Dropout dropout =
        pass.draws.dropout(sequence, 0, kEmbeddingSite, pass.spec.hidden_dropout);
    if (dropout.threshold == 0) return;
    T* row = d_hidden + (sequence.row - pass.group.row) * hidden;
    for (int64_t i = 0; i < sequence.length; ++i, row += hidden) {
      train_kernels<T>().drop(dropout, static_cast<uint64_t>(i * hidden), hidden, row, row,
                              pass.scratch.words.data());
    }
  });
  T* sums = mutable_numbers<T>(way.embedding_sums) + group * 2 * hidden;
  norm_backward<T>(
      pass, {pass.parameters.embedding_norm, 0, kEmbeddingSite, pass.buffers.embedding_normalized,
             pass.buffers.embedding_inverse, d_hidden, nullptr, sums, sums + hidden, nullptr});
}

// The tables' rows, in the order of the pass.
template <typename T>
void add_table_gradients(const ParameterSet& parameters, const TrainSpec& spec,
                         const PassRows& rows, const Way<T>& way) {
  const EncoderConfig& config = spec.encoder.config;
  const int64_t hidden = config.hidden_size;
  const auto add = [&](const at::Tensor& gradient, int64_t target_row, int64_t row) {
    if (!gradient.defined()) return;
    T* target = mutable_numbers<T>(gradient) + target_row * hidden;
    const T* source = numbers<T>(way.d_hidden) + row * hidden;
    for (int64_t c = 0; c < hidden; ++c) target[c] += source[c];
  };
  const bool pads_positions = config.model_type == ModelType::kRoberta;
  for (int64_t row = 0; row < rows.packed.rows; ++row) {
    const int64_t id = rows.packed.token_ids[row], position = rows.positions[row];
    // The padding token's rows stay as they are, as in torch.nn.Embedding with a padding index.
    if (id != config.pad_token_id) add(parameters.word.grad, id, row);
    if (!pads_positions || position != config.pad_token_id) {
      add(parameters.position.grad, position, row);
    }
    add(parameters.type.grad, 0, row);
  }
  for (int64_t group = 0; group < way.embedding_sums.size(0); ++group) {
    const at::Tensor sums = way.embedding_sums[group];
    if (parameters.embedding_norm.weight_grad.defined()) {
      at::Tensor weight = parameters.embedding_norm.weight_grad;
      weight.add_(sums.slice(0, 0, hidden));
    }
    if (parameters.embedding_norm.bias_grad.defined()) {
      at::Tensor bias = parameters.embedding_norm.bias_grad;
      bias.add_(sums.slice(0, hidden));
    }
  }
}

}  // namespace

template <typename T>
void Network<T>::backward(const PassRows& rows, const PassDraws& draws, const at::Tensor& prompt,
                          at::Tensor& prompt_gradient, const PassBuffers<T>& kept,
                          HiddenStates gradients, const CancelToken& cancel) {
  const c10::InferenceMode inference;
  const int64_t layer_count = spec_.encoder.config.layer_count;
  if (gradients.first.defined() && layer_count == 1) gradients.last.add_(gradients.first);
  Way<T> way(spec_, rows, gradients.last, way_);
  scratch_.resize(thread_count());
  std::vector<std::function<void()>> weights;  // of the layer above
  const auto groups = std::ssize(rows.groups);
  // Groups first: they are the longer tasks.
  const auto run = [&](const auto& group_work) {
    run_tasks(groups + std::ssize(weights), cancel, [&](int64_t task, int worker) {
      if (task >= groups) return weights[task - groups]();
      fit_scratch<T>(scratch_[worker], rows, spec_, /*backward=*/true);
      group_work(GroupPass<T>{spec_, parameters_, rows, draws, prompt, kept, rows.groups[task],
                              scratch_[worker], cancel});
    });
  };
  for (int64_t layer = layer_count - 1; layer >= 0; --layer) {
    run([&](const GroupPass<T>& pass) { layer_backward(pass, way, layer); });
    weights = weight_tasks<T>(spec_, parameters_.layers[layer], layer, kept, rows.packed.rows,
                              way.products[layer % 2], way.sums[layer % 2], prompt_gradient);
    if (gradients.first.defined() && layer == 1) way.d_hidden.add_(gradients.first);
    if (gradients.before_last.defined() && layer == layer_count - 1) {
      way.d_hidden.add_(gradients.before_last);
    }
  }
  if (gradients.embedding.defined()) way.d_hidden.add_(gradients.embedding);
  run([&](const GroupPass<T>& pass) { embedding_backward(pass, way); });
  add_table_gradients(parameters_, spec_, rows, way);
}

template void Network<float>::backward(const PassRows&, const PassDraws&, const at::Tensor&,
                                       at::Tensor&, const PassBuffers<float>&, HiddenStates,
                                       const CancelToken&);
template void Network<double>::backward(const PassRows&, const PassDraws&, const at::Tensor&,
                                        at::Tensor&, const PassBuffers<double>&, HiddenStates,
                                        const CancelToken&);

}  // namespace simgpt
