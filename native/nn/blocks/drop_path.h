// Stochastic depth: Huang et al. 2016, "Deep networks with stochastic depth", arXiv 1603.09382, §3.
#pragma once

#include <cstdint>
#include <vector>

#include "core/options.h"
#include "nn/module.h"

namespace trivium::nn {

/// Leaves a residual branch out for a share `probability` of the samples of a training batch, each sample drawn for itself, and divides
/// what stays by 1 − probability, so that the expectation is the branch. In evaluation, and at probability 0, the identity.
/// [N, ...] → the same shape. No tensors of its own.
class DropPath : public Module {
 public:
  explicit DropPath(double probability);
  torch::Tensor forward(const torch::Tensor& branch) override;

  double probability() const { return probability_; }

 private:
  double probability_;
};

/// The option drop_path_rate: the probability of the last of `depth` blocks; the first has 0 and those between lie on a line (eq. 4,
/// shifted so that the first block always stays, as in timm). Default 0. Throws ConfigError outside [0, 1).
std::vector<double> drop_path_schedule(const Options& options, int64_t depth);

}  // namespace trivium::nn
