// Muon, Jordan et al. 2024, https://kellerjordan.github.io/posts/muon, with the rate of Liu et al. 2025, arXiv 2502.16982, eq. 4.
#pragma once

#include <memory>
#include <vector>

#include "core/options.h"
#include "optim/optimizer.h"

namespace trivium::optim {

/// For groups to orthogonalise, each tensor as a matrix [dimension 0, the others]: v ← momentum · v + (1 − momentum) · g; O ≈ U Vᵀ of v (with
/// nesterov: of g moved by `momentum` towards v) by five Newton–Schulz steps; w ← w − lr · (0.2 · √max(rows, columns) · O + decay · w). The
/// factor gives the update AdamW's usual size, so that one learning rate serves both. The other groups get AdamW's update.
/// Options: momentum (default 0.95, in [0, 1)), nesterov (default true), beta1 (0.9), beta2 (0.999), eps (1e-8).
std::unique_ptr<Optimizer> make_muon(std::vector<ParameterGroup> groups, const Options& options);

/// Five Newton–Schulz steps towards U Vᵀ of `matrix` [R, C] = U S Vᵀ; singular values end in about [0.7, 1.2]. float32 on the processor,
/// bfloat16 elsewhere.
torch::Tensor orthogonalized(const torch::Tensor& matrix);

}  // namespace trivium::optim
