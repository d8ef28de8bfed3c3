// Lion, Chen et al. 2023, "Symbolic discovery of optimization algorithms", arXiv 2302.06675, algorithm 2.
#pragma once

#include <memory>
#include <vector>

#include "core/options.h"
#include "optim/optimizer.h"

namespace trivium::optim {

/// w ← w − lr · (sign(beta1 · m + (1 − beta1) · g) + decay · w), then m ← beta2 · m + (1 − beta2) · g. Wants a learning rate 3–10 times
/// below AdamW's and a decay as much above. Options: beta1 (default 0.9), beta2 (default 0.99), both in [0, 1).
std::unique_ptr<Optimizer> make_lion(std::vector<ParameterGroup> groups, const Options& options);

}  // namespace trivium::optim
