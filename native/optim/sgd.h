// Stochastic gradient descent with momentum, Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
#pragma once

#include <memory>
#include <vector>

#include "core/options.h"
#include "optim/optimizer.h"

namespace trivium::optim {

/// torch.optim.SGD's update: v ← momentum · v + (1 − dampening) · (g + decay · w), at the first update v ← g + decay · w;
/// w ← w − lr · v, or with nesterov w ← w − lr · (g + decay · w + momentum · v).
/// Options: momentum (default 0.9, in [0, 1)), dampening (default 0, in [0, 1]), nesterov (default false; needs momentum and no dampening).
std::unique_ptr<Optimizer> make_sgd(std::vector<ParameterGroup> groups, const Options& options);

}  // namespace trivium::optim
