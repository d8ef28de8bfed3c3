// Adam with decoupled weight decay, Loshchilov and Hutter 2017, arXiv 1711.05101, algorithm 2.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "optim/optimizer.h"

namespace trivium::optim {

struct AdamOptions {
  double beta1, beta2, eps;

  /// Reads beta1 (default 0.9), beta2 (default 0.999), both in [0, 1), and eps (above 0).
  static AdamOptions read(const Options& options, const std::string& owner, double default_eps);
};

/// torch.optim.AdamW's update of a batch with slots exp_avg and exp_avg_sq.
void adamw_update(const FusedBatch& batch, double learning_rate, const AdamOptions& options);

/// torch.optim.AdamW's update; each parameter counts its own steps, so that one frozen for a while gets the right bias correction. On the
/// processor unscaling, clipping, the update, the way back from SAM's ascent and the average are one pass over memory.
/// Options: beta1 (default 0.9), beta2 (default 0.999), both in [0, 1), eps (default 1e-8, above 0).
std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups, const Options& options);

}  // namespace trivium::optim
