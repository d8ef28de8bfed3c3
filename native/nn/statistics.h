// Running statistics of batch norms, estimated anew for weights that no batch has gone through, such as an average of weights.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>

namespace trivium::nn {

/// Puts `module` into evaluation mode but for its batch norms, which forget their statistics and from now on keep the plain mean over the
/// batches that go through (Izmailov et al. 2018, arXiv 1803.05407, section 3.2). Those that are frozen in `live`, a network of the same
/// make, keep what they have. Returns how many are estimated.
int64_t begin_statistics(torch::nn::Module& module, const torch::nn::Module& live);

/// Evaluation mode, and the momentum of `live`'s batch norms again.
void end_statistics(torch::nn::Module& module, const torch::nn::Module& live);

}  // namespace trivium::nn
