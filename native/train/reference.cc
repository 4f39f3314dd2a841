#include "train/reference.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "encoder/head.h"
#include "encoder/pooling.h"
#include "train/draws.h"
#include "train/masked_lm.h"

namespace simgpt {
namespace {

class Reference {
 public:
  Reference(const TrainSpec& spec, const std::vector<Parameter>& parameters, const TrainRows& rows,
            const std::optional<DropoutKey>& key)
      : spec_(spec), config_(spec.encoder.config), rows_(rows), key_(key) {
    for (const Parameter& parameter : parameters) {
      at::Tensor leaf = parameter.value.to(at::kDouble).clone();
      leaf.requires_grad_(parameter.trainable);
      leaves_.emplace(parameter.name, leaf);
    }
    for (int64_t i = 0; i < sequences(); ++i) longest_ = std::max(longest_, length(i));
  }

  // States of one pass over ids [sequences, longest]; sites from first_site on.
  HiddenStates forward(const std::vector<int32_t>& ids, uint32_t first_site) {
    first_site_ = first_site;
    at::Tensor hidden = embed(ids);  // [sequences, longest, hidden]
    std::vector<at::Tensor> states{hidden};
    for (int64_t i = 0; i < config_.layer_count; ++i) {
      hidden = layer(hidden, i);
      states.push_back(hidden);
    }
    return {unpad(states.back()), unpad(states[1]), unpad(states[states.size() - 2])};
  }

  at::Tensor project(at::Tensor x) const {
    if (spec_.encoder.head != Head::kNone) {
      const char* name = spec_.encoder.head == Head::kPooler ? "pooler.dense" : "mlp.dense";
      x = at::tanh(linear(x, name));
    }
    for (size_t i = 0; i < spec_.encoder.dense.size(); ++i) {
      x = activate(linear(x, "dense." + std::to_string(i) + ".linear"),
                   spec_.encoder.dense[i].activation);
    }
    return x;
  }

  // The mean cross-entropy of the masked tokens.
  at::Tensor masked_loss(const MaskedRows& masked) {
    const HiddenStates states = forward(masked.rows.tokens.token_ids, kMlmPass);
    const bool bert = config_.model_type == ModelType::kBert;
    const std::string base = bert ? "cls.predictions." : "lm_head.";
    const std::string inner = bert ? base + "transform." : base;
    std::vector<int64_t> places, labels;
    for (size_t i = 0; i < masked.labels.size(); ++i) {
      if (masked.labels[i] < 0) continue;
      places.push_back(static_cast<int64_t>(i));
      labels.push_back(masked.labels[i]);
    }
    const at::Tensor x =
        linear(states.last.index_select(0, at::tensor(places, at::kLong)), inner + "dense");
    const Activation activation = bert ? config_.activation : Activation::kGelu;
    const at::Tensor h = norm(gelu(x, activation), inner + (bert ? "LayerNorm" : "layer_norm"));
    const at::Tensor scores =
        at::matmul(h, leaf("embeddings.word_embeddings.weight").t()) + leaf(base + "bias");
    const at::Tensor log_p = scores - at::logsumexp(scores, 1, true);
    return -log_p.gather(1, at::tensor(labels, at::kLong).unsqueeze(1)).mean();
  }

  std::map<std::string, at::Tensor> gradients() const {
    std::map<std::string, at::Tensor> result;
    for (const auto& [name, leaf] : leaves_) {
      if (!leaf.requires_grad()) continue;
      result[name] = leaf.grad().defined() ? leaf.grad() : at::zeros_like(leaf);
    }
    return result;
  }

 private:
  int64_t sequences() const { return std::ssize(rows_.roles); }
  int64_t length(int64_t i) const {
    return rows_.tokens.cu_seqlens[i + 1] - rows_.tokens.cu_seqlens[i];
  }
  at::Tensor leaf(const std::string& name) const { return leaves_.at(name); }

  // 0 or 1 / (1 - p) for elements of one sequence's stream
  at::Tensor mask(int64_t sequence, int64_t layer, uint32_t site, double p, int64_t count) const {
    at::Tensor result = at::ones({count}, at::kDouble);
    if (!key_ || p == 0) return result;
    const DrawStream stream =
        draw_stream(key_->seed, key_->step, rows_.example_ids[sequence], rows_.roles[sequence],
                    static_cast<uint32_t>(layer), first_site_ + site);
    for (int64_t e = 0; e < count; ++e) {
      const bool kept = draw_word(stream, static_cast<uint64_t>(e)) >= p * 4294967296.0;
      result[e] = kept ? 1 / (1 - p) : 0.0;
    }
    return result;
  }

  at::Tensor drop_rows(const at::Tensor& x, int64_t layer, uint32_t site) const {
    at::Tensor masks = at::zeros({x.size(0), x.size(1), x.size(2)}, at::kDouble);
    for (int64_t i = 0; i < sequences(); ++i) {
      const at::Tensor one = mask(i, layer, site, spec_.hidden_dropout, length(i) * x.size(2));
      masks[i].slice(0, 0, length(i)).copy_(one.view({length(i), x.size(2)}));
    }
    return x * masks;
  }

  // [sequences, heads, longest, k + longest]
  at::Tensor attention_masks(int64_t layer) const {
    const int64_t k = spec_.prompt_length, heads = config_.head_count;
    at::Tensor masks = at::zeros({sequences(), heads, longest_, k + longest_}, at::kDouble);
    for (int64_t i = 0; i < sequences(); ++i) {
      const int64_t n = length(i), keys = k + n;
      const at::Tensor one =
          mask(i, layer, kAttentionSite, spec_.attention_dropout, heads * n * keys);
      masks[i].slice(1, 0, n).slice(2, 0, keys).copy_(one.view({heads, n, keys}));
    }
    return masks;
  }

  at::Tensor linear(const at::Tensor& x, const std::string& name) const {
    at::Tensor weight = leaf(name + ".weight");
    if (leaves_.contains(name + ".lora_A.weight")) {
      const double factor = spec_.lora_alpha / static_cast<double>(spec_.lora_rank);
      weight = weight +
               factor * at::matmul(leaf(name + ".lora_B.weight"), leaf(name + ".lora_A.weight"));
    }
    const at::Tensor y = at::matmul(x, weight.t());
    return leaves_.contains(name + ".bias") ? y + leaf(name + ".bias") : y;
  }

  at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    const at::Tensor centred = x - x.mean(-1, true);
    const at::Tensor variance = centred.square().mean(-1, true);
    return centred / at::sqrt(variance + config_.layer_norm_eps) * leaf(name + ".weight") +
           leaf(name + ".bias");
  }

  static at::Tensor gelu(const at::Tensor& x, Activation activation) {
    return at::gelu(x, activation == Activation::kGelu ? "none" : "tanh");
  }

  at::Tensor embed(const std::vector<int32_t>& ids) const {
    const bool skips = config_.model_type == ModelType::kRoberta;
    at::Tensor padded = at::full({sequences(), longest_}, config_.pad_token_id, at::kLong);
    at::Tensor places = at::full({sequences(), longest_}, config_.position_offset, at::kLong);
    for (int64_t i = 0; i < sequences(); ++i) {
      int64_t next = config_.position_offset + spec_.prompt_length;
      for (int64_t t = 0; t < length(i); ++t) {
        const int64_t id = ids[rows_.tokens.cu_seqlens[i] + t];
        padded[i][t] = id;
        places[i][t] = skips && id == config_.pad_token_id ? id : next++;
      }
    }
    // torch.nn.Embedding gives a padding index no gradient.
    const auto table = [&](const char* name, const at::Tensor& index, int64_t padding) {
      return at::embedding(leaf(std::string("embeddings.") + name + ".weight"), index, padding);
    };
    const at::Tensor sum = table("word_embeddings", padded, config_.pad_token_id) +
                           leaf("embeddings.token_type_embeddings.weight")[0] +
                           table("position_embeddings", places, skips ? config_.pad_token_id : -1);
    return drop_rows(norm(sum, "embeddings.LayerNorm"), 0, kEmbeddingSite);
  }

  at::Tensor split_heads(const at::Tensor& x) const {  // [sequences, heads, rows, size]
    return x.view({x.size(0), x.size(1), config_.head_count, -1}).transpose(1, 2);
  }

  // part: 0 keys, 1 values, of every sequence: [sequences, k, hidden]
  at::Tensor prefix(int64_t layer, int64_t part) const {
    at::Tensor table = leaf("prefix_encoder.embedding.weight");
    if (leaves_.contains("prefix_encoder.trans.0.weight")) {
      table = linear(at::tanh(linear(table, "prefix_encoder.trans.0")), "prefix_encoder.trans.2");
    }
    const int64_t hidden = config_.hidden_size, k = spec_.prompt_length;
    const at::Tensor rows =
        table.slice(1, (2 * layer + part) * hidden, (2 * layer + part + 1) * hidden);
    std::vector<at::Tensor> each;
    for (int64_t i = 0; i < sequences(); ++i) {
      const at::Tensor both =
          mask(i, layer, kPromptSite, spec_.hidden_dropout, 2 * k * hidden).view({2, k, hidden});
      each.push_back(rows * both[part]);
    }
    return at::stack(each);
  }

  at::Tensor layer(const at::Tensor& x, int64_t index) const {
    const std::string base = "encoder.layer." + std::to_string(index) + ".";
    at::Tensor key = linear(x, base + "attention.self.key");
    at::Tensor value = linear(x, base + "attention.self.value");
    if (spec_.trains == Trains::kDeepPrompt) {
      key = at::cat({prefix(index, 0), key}, 1);
      value = at::cat({prefix(index, 1), value}, 1);
    }
    at::Tensor visible = at::zeros({sequences(), 1, 1, key.size(1)}, at::kBool);
    for (int64_t i = 0; i < sequences(); ++i) {
      visible[i].slice(2, 0, spec_.prompt_length + length(i)).fill_(true);
    }
    const at::Tensor query = split_heads(linear(x, base + "attention.self.query"));
    const double scale = 1 / std::sqrt(static_cast<double>(query.size(3)));
    const at::Tensor scores = at::matmul(query, split_heads(key).transpose(2, 3)) * scale;
    const at::Tensor p = at::softmax(scores.masked_fill(visible.logical_not(), -1e300), -1);
    const at::Tensor mixed = at::matmul(p * attention_masks(index), split_heads(value))
                                 .transpose(1, 2)
                                 .reshape(x.sizes());
    const at::Tensor attended = norm(
        x + drop_rows(linear(mixed, base + "attention.output.dense"), index, kAttentionOutputSite),
        base + "attention.output.LayerNorm");
    const at::Tensor inner =
        gelu(linear(attended, base + "intermediate.dense"), config_.activation);
    return norm(attended + drop_rows(linear(inner, base + "output.dense"), index, kFeedForwardSite),
                base + "output.LayerNorm");
  }

  at::Tensor unpad(const at::Tensor& hidden) const {
    std::vector<at::Tensor> parts;
    for (int64_t i = 0; i < sequences(); ++i) parts.push_back(hidden[i].slice(0, 0, length(i)));
    return at::cat(parts, 0);
  }

  const TrainSpec& spec_;
  const EncoderConfig& config_;
  const TrainRows& rows_;
  const std::optional<DropoutKey>& key_;
  std::map<std::string, at::Tensor> leaves_;
  int64_t longest_ = 0;
  uint32_t first_site_ = 0;
};

}  // namespace

ReferenceResult reference_step(const TrainSpec& spec, const std::vector<Parameter>& parameters,
                               const TrainRows& rows, const AccumulateOptions& options,
                               const std::function<at::Tensor(const at::Tensor&)>& loss) {
  const at::AutoGradMode gradients(true);
  Reference reference(spec, parameters, rows, options.dropout);
  const HiddenStates states = reference.forward(rows.tokens.token_ids, 0);
  const at::Tensor embeddings =
      reference.project(pool_reference(states, rows.tokens.cu_seqlens, spec.encoder.pooling));
  at::Tensor total = loss(embeddings);
  ReferenceResult result{embeddings.detach(), total.item<double>(), 0, {}};
  if (options.mlm_weight > 0) {
    const at::Tensor masked = reference.masked_loss(mask_tokens(rows, spec, *options.dropout));
    result.mlm_loss = masked.item<double>();
    total = total + options.mlm_weight * masked;
  }
  total.backward();
  result.gradients = reference.gradients();
  return result;
}

}  // namespace simgpt
