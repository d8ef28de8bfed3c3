// Tokens in another order.
#pragma once

#include <torch/types.h>

namespace trivium::nn {

/// [N, T, D] → [N, T, D] with token order[t] at place t. `order` [T] is a permutation and `inverse` its inverse: so the gradient is the
/// same operation the other way round, where that of index_select adds rows one by one.
torch::Tensor reordered(const torch::Tensor& tokens, const torch::Tensor& order, const torch::Tensor& inverse);

}  // namespace trivium::nn
