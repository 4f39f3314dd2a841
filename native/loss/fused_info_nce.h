#pragma once

#include "loss/score_plan.h"

namespace simgpt {

struct ContrastOptions {
  double temperature;
  double symmetric_weight = 0;  // kappa, on the block of positives
  std::vector<double> shares;   // [n] weights of the rows, summing to 1
};

// sum_i v_i l_i + sum_j v'_j l'_j over the plan's blocks, and its gradient (PERFORMANCE 7.2, 7.3).
LossResult fused_contrast(const ScorePlan& plan, const ContrastOptions& options,
                          const CancelToken& cancel);
// Energy-based hinge: (1 / n) sum_i max(0, margin - p_i + h_i).
LossResult fused_hinge(const ScorePlan& plan, double margin, const CancelToken& cancel);

// dX of unit rows x = X / |X| to that of X, times `factor`, in place.
void through_norm(at::Tensor& gradient, const UnitRows& unit, double factor);

}  // namespace simgpt
