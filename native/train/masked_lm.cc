#include "train/masked_lm.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "train/dense_chain.h"
#include "train/draws.h"

namespace simgpt {
namespace {

// Scores of so many rows against the whole vocabulary are in memory at once: 31 MB for BERT's.
constexpr int64_t kPartRows = 256;

}  // namespace

MaskedRows mask_tokens(const TrainRows& rows, const TrainSpec& spec, const DropoutKey& key) {
  const MlmSpec& mlm = *spec.mlm;
  const std::set<int32_t> special(mlm.special_ids.begin(), mlm.special_ids.end());
  const auto vocab = static_cast<uint64_t>(spec.encoder.config.vocab_size);
  const uint32_t chosen = draw_threshold(mlm.mask_rate);
  const uint32_t masked = draw_threshold(0.8), replaced = draw_threshold(0.9);
  MaskedRows result{rows, std::vector<int32_t>(rows.tokens.token_ids.size(), -1), 0};
  for (size_t i = 0; i + 1 < rows.tokens.cu_seqlens.size(); ++i) {
    const auto stream = [&](uint32_t site) {
      return draw_stream(key.seed, key.step, rows.example_ids[i], rows.roles[i], 0, site);
    };
    const DrawStream choice = stream(kMlmChoiceSite), action = stream(kMlmActionSite),
                     token = stream(kMlmTokenSite);
    const int32_t begin = rows.tokens.cu_seqlens[i], end = rows.tokens.cu_seqlens[i + 1];
    for (int32_t row = begin; row < end; ++row) {
      const auto element = static_cast<uint64_t>(row - begin);
      int32_t& id = result.rows.tokens.token_ids[row];
      if (special.contains(id) || draw_word(choice, element) >= chosen) continue;
      result.labels[row] = id;
      ++result.masked;
      const uint32_t word = draw_word(action, element);
      if (word < masked) {
        id = mlm.mask_token_id;
      } else if (word < replaced) {
        id = static_cast<int32_t>(draw_word(token, element) * vocab >> 32);
      }
    }
  }
  return result;
}

double MaskedLmHead::accumulate(const at::Tensor& states, const at::Tensor& labels, double factor,
                                at::Tensor& d_states, const CancelToken& cancel) const {
  d_states = at::empty_like(states);
  double sum = 0;
  for (int64_t first = 0; first < states.size(0); first += kPartRows) {
    cancel.poll();
    const int64_t end = std::min(first + kPartRows, states.size(0));
    sum += accumulate_part(states.slice(0, first, end), labels.slice(0, first, end), factor,
                           d_states.slice(0, first, end));
  }
  return sum;
}

double MaskedLmHead::accumulate_part(const at::Tensor& states, const at::Tensor& labels,
                                     double factor, at::Tensor d_states) const {
  const LmHeadParameters& head = parameters_.lm_head;
  const EncoderConfig& config = spec_.encoder.config;
  const double eps = config.layer_norm_eps;
  // RoBERTa's head has the exact GELU whatever its layers have.
  const bool exact =
      config.model_type == ModelType::kRoberta || config.activation == Activation::kGelu;
  const char* gelu = exact ? "none" : "tanh";
  const at::Tensor& words = parameters_.word.rows;

  const at::Tensor inner = at::linear(states, head.dense.weight, head.dense.bias);
  const at::Tensor activated = at::gelu(inner, gelu);
  const auto [normalized, mean, inverse] =
      at::native_layer_norm(activated, {config.hidden_size}, head.norm.weight, head.norm.bias, eps);
  const at::Tensor log_p = at::log_softmax(at::linear(normalized, words, head.decoder_bias), 1);
  const at::Tensor picked = labels.unsqueeze(1);
  const double sum = -log_p.gather(1, picked).sum(at::kDouble).item<double>();

  at::Tensor d_scores = log_p.exp();  // [predicted, vocab]
  d_scores.scatter_add_(1, picked, at::full({labels.size(0), 1}, -1.0, states.options()));
  d_scores.mul_(factor);
  at::Tensor word_grad = parameters_.word.grad, bias_grad = head.decoder_bias_grad;
  if (word_grad.defined()) word_grad.addmm_(d_scores.t(), normalized);
  if (bias_grad.defined()) bias_grad.add_(d_scores.sum(0));
  const auto [d_activated, d_weight, d_bias] =
      at::native_layer_norm_backward(at::mm(d_scores, words), activated, {config.hidden_size}, mean,
                                     inverse, head.norm.weight, head.norm.bias, {true, true, true});
  at::Tensor norm_weight = head.norm.weight_grad, norm_bias = head.norm.bias_grad;
  if (norm_weight.defined()) norm_weight.add_(d_weight);
  if (norm_bias.defined()) norm_bias.add_(d_bias);
  d_states.copy_(linear_backward(head.dense, states, at::gelu_backward(d_activated, inner, gelu)));
  return sum;
}

}  // namespace simgpt
