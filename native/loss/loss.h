// What training minimises: values and gradients of all losses under one contract (METHODS 1.4).
//
// A loss sees raw embeddings and compares them by cosine. It returns its value and the gradient
// with respect to every embedding as plain tensors; no autograd graph leaves this folder. Two back
// ends share the contract: a reference in plain ATen (float32 or float64, any device, all memory it
// likes) and, for InfoNCE and its family, a fused CPU form that never holds a matrix of scores.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cancellation.h"

namespace simgpt {

// Which candidates a second opinion takes for false negatives; own positives are always kept.
// Needs LossBatch's reference embeddings; r is the cosine of those.
struct Exclusion {
  std::optional<double> above;   // drop candidate c of anchor i where r_ic > above
  std::optional<double> margin;  // … where r_ic > r_ii - margin
  bool active() const { return above || margin; }
};

// InfoNCE with in-batch and hard negatives (Gao et al. 2021, eq. 5 and 8; PERFORMANCE 7.1).
struct InfoNceLoss {
  double temperature = 0.05;
  double hard_negative_weight = 0;  // added to the score of own hard negatives: a factor e^w (D1)
  double symmetric_weight = 0;      // kappa: weight of the direction from positives to anchors
  Exclusion exclusion;
  // Trained as its logarithm: `temperature` is its value now, LossResult::d_log_temperature its
  // gradient.
  bool learns_temperature = false;
};

// Energy-based hinge (Jiang et al. 2022, eq. 10-12): max(0, margin + c_i - cos(a_i, p_i)) with c_i
// the largest cosine to a negative. The paper adds it to InfoNCE with weight 10.
struct EnergyHingeLoss {
  double margin = 0.2;
};

// InfoNCE with what a reference encoder takes for false negatives masked (MultiCSR stage 3; D2-D4).
struct MultiCsrLoss {
  double temperature = 0.05;
  double above = 0.95;      // phi
  bool zero_score = false;  // as released: masked scores become 0, element-wise binary entropy
};

// InfoNCE with anchor-anchor and positive-positive terms and a margin mask (Qwen3-Embedding report
// 2025; temperature and the treatment of others' hard negatives are ours, METHODS 1.4).
struct Qwen3Loss {
  double temperature = 0.02;
  double margin = 0.1;
  bool other_hard_negatives = false;
};

// Pairs (anchor, positive) with grades: log(1 + sum e^((cos_v - cos_u) / temperature)) over pairs
// of rows with grade_u > grade_v. Needs LossBatch::grades.
struct CoSentLoss {
  double temperature = 0.05;
};

// mean over (i, own hard negative h) of max(0, margin - cos(a_i, p_i) + cos(a_i, h)); where a batch
// has none, the hardest other positive of each row (Schroff et al. 2015).
struct TripletLoss {
  double margin = 0.2;
};

// A student that follows a teacher (Hinton et al. 2015; Reimers & Gurevych 2020).
struct DistillationLoss {
  enum class Target {
    kVectors,       // unit vectors themselves: mean of 2 - 2 cos(student, teacher) over all texts
    kSimilarities,  // the teacher's cosines of anchors to all candidates
    kScores,        // LossBatch::teacher_scores of own positive and hard negatives
  };
  enum class Objective { kMse, kKl };
  Target target = Target::kVectors;
  Objective objective = Objective::kMse;  // kKl: not with kVectors
  double temperature = 0.05;              // kKl: of the student's softmax
  double teacher_temperature = 0.05;      // kKl: of the teacher's
};

struct LossTerm;

// sum over sizes of weight * the inner terms on the first `size` dimensions, renormalised
// (Kusupati et al. 2022).
struct MatryoshkaLoss {
  std::vector<LossTerm> terms;
  std::vector<int64_t> sizes;
  std::vector<double> weights;  // [sizes]
};

using LossKind = std::variant<InfoNceLoss, EnergyHingeLoss, MultiCsrLoss, Qwen3Loss, CoSentLoss,
                              TripletLoss, DistillationLoss, MatryoshkaLoss>;

struct LossTerm {
  LossKind kind;
  double weight = 1;
};
using LossSpec = std::vector<LossTerm>;

// The step's whole batch of n examples with h hard negatives. Candidates are the positives, then
// the hard negatives: m = n + h. All on one device; floats of one dtype unless said otherwise.
struct LossBatch {
  at::Tensor anchors;         // [n, hidden] float32 or float64, raw (not unit rows)
  at::Tensor positives;       // [n, hidden]
  at::Tensor hard_negatives;  // [h, hidden]; undefined: none
  at::Tensor owner;           // [h] int64, CPU, never falling: the example of a hard negative
  at::Tensor row_weights;     // [n] > 0, of the InfoNCE family; undefined: all 1
  // [n + m] int64, CPU: anchors, positives, hard negatives. Candidates with the group of the anchor
  // (a class label), or with the text of the anchor or its positive, are no negatives. Text ids are
  // equal exactly where texts are.
  at::Tensor group_ids;             // undefined: no groups
  at::Tensor text_ids;              // undefined: texts are all different
  at::Tensor reference_anchors;     // [n, width] of the reference encoder
  at::Tensor reference_candidates;  // [m, width]
  at::Tensor grades;                // [n]
  at::Tensor teacher_anchors;       // [n, width] of the teacher
  at::Tensor teacher_candidates;    // [m, width]
  at::Tensor teacher_scores;        // [m]: of (a_i, p_i), then of (a_owner, h)
};

struct LossResult {
  double value = 0;
  std::vector<std::pair<std::string, double>> parts;  // each term by its kind, unweighted
  at::Tensor d_anchors;                               // [n, hidden], dtype of the embeddings
  at::Tensor d_positives;                             // [n, hidden]
  at::Tensor d_hard_negatives;                        // [h, hidden]; undefined where the input is
  double d_log_temperature = 0;                       // of the terms that learn theirs
  at::Tensor row_losses;  // [n] float64, CPU: each row's share of value; 0 for CoSENT
};

enum class LossBackend {
  kReference,
  kFused,  // the fused form where a term has one and inputs are float32 on the CPU, else reference
};

// Checks shapes, dtypes and what the terms need; throws Error(kType) or Error(kRange).
LossResult compute_loss(const LossSpec& spec, const LossBatch& batch, LossBackend backend,
                        const CancelToken& cancel);

}  // namespace simgpt
