// A model in training: its parameters, tokenizer, optimizer and learned temperature behind one
// handle. Methods run on the lane, one after the other.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "encoder/encoder.h"
#include "loss/loss.h"
#include "train/adamw.h"
#include "train/trainable.h"

namespace simgpt {

class Tokenizer;

// The texts of one step: n anchors, n positives, then the hard negatives of example 0, 1, ...
struct TrainingTexts {
  int64_t examples = 0;
  std::vector<int32_t> owner;         // [h] example of each hard negative, never falling
  std::vector<uint32_t> example_ids;  // [n] what dropout draws by
};

struct AccumulateRequest {
  TrainingTexts texts;
  LossSpec losses;
  LossBatch inputs;  // without embeddings
  // Of InfoNCE terms with learns_temperature: where it starts and how low it may go.
  std::optional<std::pair<double, double>> learned_temperature;
  std::optional<uint32_t> step;  // absent: the optimizer's count of steps
  bool dropout = true;
  int64_t max_tokens = 0;  // of a text in training; 0: the model's
  int64_t chunk_tokens = 0;
  double mlm_weight = 0;
};

// Texts whose embeddings are wanted as training sees them.
struct ExampleRequest {
  TrainingTexts texts;
  uint32_t step = 0;
  int64_t max_tokens = 0;  // as in AccumulateRequest
};

// A value that is no number, and the examples it belongs to.
struct NotFinite {
  std::string tensor;
  std::vector<int64_t> examples;  // places in the batch
};

struct AccumulateOutcome {
  LossResult loss;  // values alone
  double mlm_loss = 0;
  int64_t truncated = 0;  // texts that were cut
  int64_t chunks = 0;
  std::optional<NotFinite> not_finite;  // then no gradient was added, and those before are gone
};

class Training {
 public:
  Training(const TrainSpec& spec, const CancelToken& cancel);
  ~Training();

  AccumulateOutcome accumulate(const PackedTexts& texts, const AccumulateRequest& request,
                               const CancelToken& cancel);
  // Made at the first step; later options replace its own, moments stay.
  StepResult step(const AdamWOptions& options, double learning_rate,
                  std::optional<double> max_norm);
  void drop_optimizer() { optimizer_.reset(); }
  void zero_gradients();

  EmbedResult embed(const PackedTexts& texts, const EmbedOptions& options,
                    const CancelToken& cancel, const ProgressFn& progress);
  // [texts, dimensions] with the dropout of that step, the head in training among it: what a
  // reference encoder in training mode gives (METHODS D4).
  at::Tensor embed_examples(const PackedTexts& texts, const ExampleRequest& request,
                            const CancelToken& cancel);
  TokenBatch tokenize(const PackedTexts& texts, bool truncate, bool add_special_tokens,
                      const CancelToken& cancel) const;

  // Trainable parameters, moments and counters; a file that appears whole or not at all.
  void save_state(const std::string& path) const;
  // Throws Error("fileInvalid") where the file is not of this model; nothing has changed then.
  void load_state(const std::string& path, const CancelToken& cancel);
  // Checkpoint tensors whose names begin with `prefix`, without it; adapters: those instead.
  void save_tensors(const std::string& path, const std::string& prefix, bool adapters) const;

  TrainableModel& model() { return *model_; }
  const TrainableModel& model() const { return *model_; }
  int64_t steps() const { return optimizer_ ? optimizer_->steps() : 0; }
  double temperature() const;  // the learned one; NaN without
  int64_t memory_bytes() const;

 private:
  // max_tokens 0: the model's
  TrainRows rows_of(const PackedTexts& texts, const TrainingTexts& plan, int64_t max_tokens,
                    const CancelToken& cancel) const;
  AdamW& optimizer(const AdamWOptions& options);
  void learn_temperature(const std::pair<double, double>& range);
  static Parameter learned_temperature(double initial);

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<TrainableModel> model_;
  std::optional<AdamW> optimizer_;
  std::optional<Parameter> log_temperature_;  // [] float64
  double lowest_temperature_ = 0;
};

}  // namespace simgpt
