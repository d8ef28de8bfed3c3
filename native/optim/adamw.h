// Adam with decoupled weight decay, Loshchilov and Hutter 2017, arXiv 1711.05101, algorithm 2.
#pragma once

#include <memory>
#include <vector>

#include "core/options.h"
#include "optim/optimizer.h"

namespace trivium::optim {

/// torch.optim.AdamW's update; each parameter counts its own steps, so that one frozen for a while gets the right bias correction.
/// Options: beta1 (default 0.9), beta2 (default 0.999), both in [0, 1), eps (default 1e-8, above 0).
std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups, const Options& options);

}  // namespace trivium::optim
