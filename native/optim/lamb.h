// LAMB, You et al. 2019, "Large batch optimization for deep learning", arXiv 1904.00962, algorithm 2.
#pragma once

#include <memory>
#include <vector>

#include "core/options.h"
#include "optim/optimizer.h"

namespace trivium::optim {

/// u = m̂ / (√v̂ + eps) + decay · w; w ← w − lr · ‖w‖ / ‖u‖ · u. Tensors without weight decay (norms, biases) and those of norm 0 move by
/// lr · u, as timm's Lamb. Options: beta1 (default 0.9), beta2 (default 0.999), eps (default 1e-6).
std::unique_ptr<Optimizer> make_lamb(std::vector<ParameterGroup> groups, const Options& options);

}  // namespace trivium::optim
