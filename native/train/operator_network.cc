#include "train/operator_network.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "encoder/head.h"

namespace simgpt {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// The same numbers as a leaf whose gradient is added to `grad`; a constant where that is undefined.
at::Tensor leaf(const at::Tensor& value, const at::Tensor& grad) {
  if (!value.defined()) return {};
  at::Tensor result = value.detach();
  if (!grad.defined()) return result;
  result.requires_grad_(true);
  result.mutable_grad() = grad;
  return result;
}

TableParameters leaves(const TableParameters& table) { return {leaf(table.rows, table.grad), {}}; }

NormParameters leaves(const NormParameters& norm) {
  return {leaf(norm.weight, norm.weight_grad), leaf(norm.bias, norm.bias_grad), {}, {}};
}

LinearParameters leaves(const LinearParameters& linear) {
  LinearParameters result;
  result.weight = leaf(linear.weight, linear.weight_grad);
  result.bias = leaf(linear.bias, linear.bias_grad);
  for (const LoraAdapter& adapter : linear.lora) {
    result.lora.push_back({adapter.first_row,
                           leaf(adapter.a, adapter.a_grad),
                           leaf(adapter.b, adapter.b_grad),
                           {},
                           {}});
  }
  return result;
}

LayerParameters leaves(const LayerParameters& layer) {
  return {leaves(layer.qkv),          leaves(layer.attention_output), leaves(layer.attention_norm),
          leaves(layer.intermediate), leaves(layer.output),           leaves(layer.output_norm)};
}

// [rows, any] packed -> [sequences, longest, any], zeros behind each sequence
at::Tensor pad(const at::Tensor& x, const OperatorRows& rows) {
  return at::zeros({rows.sequences * rows.longest, x.size(1)}, x.options())
      .index_copy(0, rows.places, x)
      .view({rows.sequences, rows.longest, x.size(1)});
}

// [sequences, longest, any] -> [tokens, any]
at::Tensor unpad(const at::Tensor& x, const OperatorRows& rows) {
  return x.reshape({rows.sequences * rows.longest, x.size(2)}).index_select(0, rows.places);
}

// [sequences, count]: true below each sequence's length plus `more`
at::Tensor within(const OperatorRows& rows, int64_t count, int64_t more) {
  return at::arange(count, rows.lengths.options()).unsqueeze(0) <
         (rows.lengths + more).unsqueeze(1);
}

// Dropped elements are zero, survivors times 1 / (1 - p); undefined: nothing is dropped.
at::Tensor drop(const at::Tensor& x, const at::Tensor& dropped, double p) {
  return dropped.defined() ? x.masked_fill(dropped, 0).mul(1 / (1 - p)) : x;
}

at::Tensor gelu(const at::Tensor& x, Activation activation) {
  return at::gelu(x, activation == Activation::kGelu ? "none" : "tanh");
}

at::Tensor pool_one(const at::Tensor& hidden, const OperatorRows& rows, Pooling pooling) {
  const at::Tensor ends = rows.lengths.cumsum(0);
  if (pooling == Pooling::kCls) return hidden.index_select(0, ends - rows.lengths);
  if (pooling == Pooling::kLastToken) return hidden.index_select(0, ends - 1);
  const at::Tensor padded = pad(hidden, rows);  // [sequences, longest, hidden]
  if (pooling == Pooling::kMax) {
    const at::Tensor absent = within(rows, rows.longest, 0).logical_not().unsqueeze(2);
    return std::get<0>(padded.masked_fill(absent, kMinusInfinity).max(1));
  }
  const at::Tensor count = rows.lengths.to(hidden.scalar_type()).unsqueeze(1);
  if (pooling == Pooling::kWeightedMean) {
    const at::Tensor weights = at::arange(1, rows.longest + 1, hidden.options()).unsqueeze(1);
    return (padded * weights).sum(1) / (count * (count + 1) / 2);
  }
  return padded.sum(1) / (pooling == Pooling::kMeanSqrtLen ? count.sqrt() : count);
}

}  // namespace

OperatorRows place_rows(const TrainRows& rows, const std::vector<int64_t>& sequences,
                        const TrainSpec& spec, at::Device device) {
  const std::vector<int32_t>& starts = rows.tokens.cu_seqlens;
  OperatorRows placed;
  placed.sequences = std::ssize(sequences);
  int64_t tokens = 0;
  for (const int64_t i : sequences) {
    tokens += starts[i + 1] - starts[i];
    placed.longest = std::max<int64_t>(placed.longest, starts[i + 1] - starts[i]);
  }
  const int64_t padded = placed.sequences * placed.longest;
  // One copy to the device: padded ids, then lengths, example ids and roles, then places.
  at::Tensor all = at::full({padded + 3 * placed.sequences + tokens},
                            spec.encoder.config.pad_token_id, at::kLong);
  auto* ids = all.mutable_data_ptr<int64_t>();
  int64_t* lengths = ids + padded;
  int64_t* examples = lengths + placed.sequences;
  int64_t* roles = examples + placed.sequences;
  int64_t* places = roles + placed.sequences;
  for (int64_t row = 0; row < placed.sequences; ++row) {
    const auto i = static_cast<size_t>(sequences[row]);
    lengths[row] = starts[i + 1] - starts[i];
    examples[row] = rows.example_ids[i];
    roles[row] = rows.roles[i];
    for (int64_t t = 0; t < lengths[row]; ++t) {
      ids[row * placed.longest + t] = rows.tokens.token_ids[starts[i] + t];
      *places++ = row * placed.longest + t;
    }
  }
  all = all.to(device);
  const int64_t b = placed.sequences;
  placed.ids = all.narrow(0, 0, padded).view({b, placed.longest});
  placed.lengths = all.narrow(0, padded, b);
  placed.draws = {all.narrow(0, padded + b, b), all.narrow(0, padded + 2 * b, b)};
  placed.places = all.narrow(0, padded + 3 * b, tokens);
  return placed;
}

// What the layers of one pass share.
struct OperatorNetwork::Pass {
  const OperatorRows& rows;
  const PassDraws& draws;
  at::Tensor prompt;    // [k, 2 L hidden]; undefined without a deep prompt
  at::Tensor unseen;    // [sequences, 1, 1, k + longest] keys behind a sequence's end
  at::Tensor elements;  // [sequences, heads x longest x (k + longest)] of the attention's stream

  // [sequences, count], true where an element is dropped; undefined where none is
  at::Tensor dropped(int64_t layer, uint32_t site, double p, int64_t count) const {
    if (!draws.key || p == 0) return {};
    return draw_words(rows.draws, *draws.key, static_cast<uint32_t>(layer), draws.first_site + site,
                      count)
        .lt(static_cast<int64_t>(draw_threshold(p)));
  }
};

OperatorNetwork::OperatorNetwork(const TrainSpec& spec, const ParameterSet& parameters)
    : spec_(spec),
      config_(spec.encoder.config),
      wide_(spec.encoder.precision == Precision::kFloat64 ? at::kDouble : at::kFloat),
      product_(spec.encoder.precision == Precision::kBfloat16 ? at::kBFloat16 : wide_),
      word_(leaves(parameters.word)),
      position_(leaves(parameters.position)),
      type_(leaves(parameters.type)),
      embedding_norm_(leaves(parameters.embedding_norm)),
      prompt_{leaves(parameters.prompt.table), leaves(parameters.prompt.inner),
              leaves(parameters.prompt.outer)},
      lm_head_{leaves(parameters.lm_head.dense),
               leaves(parameters.lm_head.norm),
               leaf(parameters.lm_head.decoder_bias, parameters.lm_head.decoder_bias_grad),
               {}} {
  for (const LayerParameters& layer : parameters.layers) layers_.push_back(leaves(layer));
  for (const LinearParameters& linear : parameters.projection) {
    projection_.push_back(leaves(linear));
  }
}

HiddenStates OperatorNetwork::forward(const OperatorRows& rows, const PassDraws& draws,
                                      const CancelToken& cancel) const {
  const at::Tensor seen = within(rows, spec_.prompt_length + rows.longest, spec_.prompt_length);
  Pass pass{rows, draws, prompt(), seen.logical_not().view({rows.sequences, 1, 1, -1}), {}};
  if (draws.key && spec_.attention_dropout > 0) pass.elements = attention_elements(rows);
  std::vector<at::Tensor> states{embed(pass)};  // [tokens, hidden]
  for (int64_t i = 0; i < config_.layer_count; ++i) {
    cancel.poll();
    states.push_back(layer(states.back(), pass, i));
  }
  return {states.back(), states[1], states[states.size() - 2], states[0]};
}

at::Tensor OperatorNetwork::pool(const HiddenStates& states, const OperatorRows& rows) const {
  std::vector<at::Tensor> parts;
  for (const Pooling pooling : spec_.encoder.pooling) {
    at::Tensor part = pool_one(states.last, rows, pooling);
    if (pooling == Pooling::kFirstLastMean) {
      part = (part + pool_one(states.first, rows, pooling)) / 2;
    } else if (pooling == Pooling::kLastTwoMean) {
      part = (part + pool_one(states.before_last, rows, pooling)) / 2;
    } else if (pooling == Pooling::kEmbeddingLastMean) {
      part = (part + pool_one(states.embedding, rows, pooling)) / 2;
    }
    parts.push_back(part);
  }
  return at::cat(parts, 1);
}

at::Tensor OperatorNetwork::project(const at::Tensor& pooled) const {
  const size_t heads = spec_.encoder.head == Head::kNone ? 0 : 1;
  at::Tensor x = pooled;
  for (size_t i = 0; i < projection_.size(); ++i) {
    x = activate(linear(x, projection_[i]).to(wide_),
                 i < heads ? DenseActivation::kTanh : spec_.encoder.dense[i - heads].activation);
  }
  return x;
}

at::Tensor OperatorNetwork::masked_entropy(const at::Tensor& states,
                                           const at::Tensor& labels) const {
  // RoBERTa's head has the exact GELU whatever its layers have.
  const bool bert = config_.model_type == ModelType::kBert;
  const at::Tensor inner =
      gelu(linear(states, lm_head_.dense), bert ? config_.activation : Activation::kGelu);
  LinearParameters decoder;
  decoder.weight = word_.rows;
  decoder.bias = lm_head_.decoder_bias;
  const at::Tensor scores = linear(norm(inner.to(wide_), lm_head_.norm), decoder).to(wide_);
  return -at::log_softmax(scores, 1).gather(1, labels.unsqueeze(1)).sum();
}

// What autograd keeps of a layer: its input and both LayerNorms', query, key and value before and
// behind their padding, both sides of the GELU, the masks, and attention's rows.
int64_t OperatorNetwork::bytes_per_token(int64_t longest) const {
  const auto bytes = [](at::ScalarType type) {
    return static_cast<int64_t>(c10::elementSize(type));
  };
  const int64_t hidden = config_.hidden_size, keys = spec_.prompt_length + longest;
  const int64_t layer =
      bytes(wide_) * 5 * hidden + bytes(product_) * (9 * hidden + 2 * config_.intermediate_size) +
      2 * hidden + config_.head_count * keys * (2 * bytes(wide_) + 2 * bytes(product_) + 1);
  return config_.layer_count * layer;
}

at::Tensor OperatorNetwork::linear(const at::Tensor& x, const LinearParameters& linear) const {
  at::Tensor weight = linear.weight;
  if (!linear.lora.empty()) {
    std::vector<at::Tensor> added;  // one below the other, as query, key and value are
    for (const LoraAdapter& adapter : linear.lora) {
      added.push_back(at::matmul(adapter.b, adapter.a));
    }
    weight = weight + at::cat(added) * (spec_.lora_alpha / static_cast<double>(spec_.lora_rank));
  }
  weight = weight.to(product_);
  if (!linear.bias.defined()) return at::linear(x.to(product_), weight);
  return at::linear(x.to(product_), weight, linear.bias.to(product_));
}

at::Tensor OperatorNetwork::norm(const at::Tensor& x, const NormParameters& norm) const {
  return at::layer_norm(x, {config_.hidden_size}, norm.weight, norm.bias, config_.layer_norm_eps);
}

at::Tensor OperatorNetwork::prompt() const {
  if (spec_.trains != Trains::kDeepPrompt || !prompt_.inner.weight.defined()) {
    return prompt_.table.rows;
  }
  const at::Tensor inner = at::tanh(linear(prompt_.table.rows, prompt_.inner).to(wide_));
  return linear(inner, prompt_.outer).to(wide_);
}

at::Tensor OperatorNetwork::embed(const Pass& pass) const {
  const OperatorRows& rows = pass.rows;
  // Positions restart per sequence, behind a deep prompt's rows (METHODS D18); RoBERTa gives the
  // padding token the padding's position and does not count it.
  const bool skips = config_.model_type == ModelType::kRoberta;
  const int64_t padding = config_.pad_token_id;
  const at::Tensor counted = skips ? rows.ids.ne(padding) : at::ones_like(rows.ids, at::kBool);
  const at::Tensor positions =
      (counted.cumsum(1) + (config_.position_offset + spec_.prompt_length - 1))
          .masked_fill(counted.logical_not(), padding);
  // torch.nn.Embedding gives a padding index no gradient.
  const auto table = [&](const TableParameters& of, const at::Tensor& index, int64_t without) {
    return at::embedding(of.rows, index.flatten().index_select(0, rows.places), without);
  };
  const at::Tensor sum = table(word_, rows.ids, padding) + type_.rows.select(0, 0) +
                         table(position_, positions, skips ? padding : -1);
  return drop_rows(norm(sum, embedding_norm_), pass, 0, kEmbeddingSite);
}

// x [tokens, hidden], dropped as the elements row x hidden + column of each sequence
at::Tensor OperatorNetwork::drop_rows(const at::Tensor& x, const Pass& pass, int64_t layer,
                                      uint32_t site) const {
  const OperatorRows& rows = pass.rows;
  const int64_t hidden = config_.hidden_size;
  at::Tensor dropped = pass.dropped(layer, site, spec_.hidden_dropout, rows.longest * hidden);
  if (!dropped.defined()) return x;
  dropped = unpad(dropped.reshape({rows.sequences, rows.longest, hidden}), rows);
  return drop(x, dropped, spec_.hidden_dropout);
}

// Where (head, query, key) of the padded block stands in its sequence's stream, which counts by the
// sequence's own length; what belongs to no token reads element 0.
at::Tensor OperatorNetwork::attention_elements(const OperatorRows& rows) const {
  const int64_t k = spec_.prompt_length, heads = config_.head_count, longest = rows.longest;
  const auto count = [&](int64_t n, at::IntArrayRef shape) {
    return at::arange(n, rows.lengths.options()).view(shape);
  };
  const at::Tensor length = rows.lengths.view({-1, 1, 1, 1});
  const at::Tensor query = count(longest, {1, 1, longest, 1});
  const at::Tensor key = count(k + longest, {1, 1, 1, k + longest});
  const at::Tensor row = count(heads, {1, heads, 1, 1}) * length + query;
  const at::Tensor element = row * (length + k) + key;
  const at::Tensor outside = query.ge(length).logical_or(key.ge(length + k));
  return element.masked_fill(outside, 0).view({rows.sequences, -1});
}

// [2, sequences, heads, k, size] keys and values of the deep prompt, a mask to each sequence
at::Tensor OperatorNetwork::prefix(const Pass& pass, int64_t index) const {
  const int64_t k = spec_.prompt_length, hidden = config_.hidden_size;
  const int64_t sequences = pass.rows.sequences;
  const at::Tensor rows = pass.prompt.narrow(1, 2 * index * hidden, 2 * hidden)
                              .reshape({1, k, 2, hidden})
                              .transpose(1, 2)
                              .expand({sequences, 2, k, hidden});
  at::Tensor dropped = pass.dropped(index, kPromptSite, spec_.hidden_dropout, 2 * k * hidden);
  if (dropped.defined()) dropped = dropped.reshape({sequences, 2, k, hidden});
  return drop(rows, dropped, spec_.hidden_dropout)
      .reshape({sequences, 2, k, config_.head_count, -1})
      .permute({1, 0, 3, 2, 4})
      .to(product_);
}

// qkv [tokens, 3 hidden] -> [tokens, hidden]
at::Tensor OperatorNetwork::attend(const at::Tensor& qkv, const Pass& pass, int64_t index) const {
  const OperatorRows& rows = pass.rows;
  const at::Tensor heads = pad(qkv, rows)
                               .view({rows.sequences, rows.longest, 3, config_.head_count, -1})
                               .permute({2, 0, 3, 1, 4});  // [3, sequences, heads, longest, size]
  at::Tensor key = heads[1], value = heads[2];
  if (pass.prompt.defined()) {
    const at::Tensor before = prefix(pass, index);
    key = at::cat({before[0], key}, 2);
    value = at::cat({before[1], value}, 2);
  }
  const double scale = 1 / std::sqrt(static_cast<double>(heads.size(4)));
  const at::Tensor scores = at::matmul(heads[0], key.transpose(2, 3)).to(wide_) * scale;
  const at::Tensor p = at::softmax(scores.masked_fill(pass.unseen, kMinusInfinity), -1);
  at::Tensor dropped;  // of p: [sequences, heads, longest, k + longest]
  if (pass.elements.defined()) {
    dropped = pass.dropped(index, kAttentionSite, spec_.attention_dropout, pass.elements.size(1))
                  .gather(1, pass.elements)
                  .view(p.sizes());
  }
  const at::Tensor kept = drop(p, dropped, spec_.attention_dropout).to(product_);
  return unpad(at::matmul(kept, value).transpose(1, 2).flatten(2), rows);
}

at::Tensor OperatorNetwork::layer(const at::Tensor& x, const Pass& pass, int64_t index) const {
  const LayerParameters& w = layers_[static_cast<size_t>(index)];
  const at::Tensor mixed = attend(linear(x, w.qkv), pass, index);
  const at::Tensor attended = linear(mixed, w.attention_output).to(wide_);
  const at::Tensor middle =
      norm(x + drop_rows(attended, pass, index, kAttentionOutputSite), w.attention_norm);
  const at::Tensor inner = gelu(linear(middle, w.intermediate), config_.activation);
  const at::Tensor added = linear(inner, w.output).to(wide_);
  return norm(middle + drop_rows(added, pass, index, kFeedForwardSite), w.output_norm);
}

}  // namespace simgpt
