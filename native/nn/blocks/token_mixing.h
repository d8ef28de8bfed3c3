// Attention among all tokens: by a kernel of our own where it is faster, forwards among few tokens and backwards among some hundreds,
// else LibTorch's.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace trivium::nn {

/// `projected` [N, T, 3 · D], for each token its query, key and value with the heads one after the other → the three, [N, H, T, d] each.
std::vector<torch::Tensor> split_heads(const torch::Tensor& projected, int64_t heads);

/// softmax(q kᵀ / √d) v of the same `projected`, [N, T, D].
torch::Tensor mix_tokens(const torch::Tensor& projected, int64_t heads);

/// The same of query, key and value apart, [N, H, T, d] each. `bias`: added to the logits, broadcast to [N, H, T, T]; undefined: none.
torch::Tensor mix_tokens(const torch::Tensor& query, const torch::Tensor& key, const torch::Tensor& value, const torch::Tensor& bias);

}  // namespace trivium::nn
