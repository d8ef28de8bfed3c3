// Tokens in another order, and table entries in many places.
#pragma once

#include <torch/types.h>

namespace trivium::nn {

/// [N, T, D] → [N, T, D] with token order[t] at place t. `order` [T] is a permutation and `inverse` its inverse: so the gradient is the
/// same operation the other way round, where that of index_select adds rows one by one.
torch::Tensor reordered(const torch::Tensor& tokens, const torch::Tensor& order, const torch::Tensor& inverse);

/// [H, R] → [H, K]: columns index [K] of every row. On the CPU its gradient is added up in one pass, where that of index_select takes an
/// operation for each index.
torch::Tensor spread(const torch::Tensor& rows, const torch::Tensor& index);

}  // namespace trivium::nn
