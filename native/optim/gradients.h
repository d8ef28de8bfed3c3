// What happens to gradients between the backward pass and the update. All of it in place and without recording.
#pragma once

#include <torch/types.h>

#include <vector>

#include "optim/parameter_group.h"

namespace trivium::optim {

/// Global L2 norm in double. The same whatever the number of threads.
double global_norm(const std::vector<torch::Tensor>& gradients);

/// g ← g − mean(g over dimensions 1..) for the groups that say so and tensors of two dimensions or more: gradient centralisation, Yong et
/// al. 2020, arXiv 2004.01461, eq. 1.
void centralize(const std::vector<ParameterGroup>& groups);

/// Each element to [−limit, limit].
void clip_values(const std::vector<torch::Tensor>& gradients, double limit);

/// Adaptive gradient clipping, Brock et al. 2021, arXiv 2102.06171, eq. 3: a unit's gradient (a row of a matrix, a filter of a kernel, a
/// vector whole) is scaled down to `limit` times the norm of its weights, these counted as at least 1e-3.
void clip_adaptively(const std::vector<ParameterGroup>& groups, double limit);

}  // namespace trivium::optim
