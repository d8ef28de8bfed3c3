// Softmax attention among up to some hundreds of tokens, on the CPU: in its backward pass LibTorch's sets up several matrix products of
// oneDNN for each head of each image in bfloat16, which takes longer than the arithmetic.
#pragma once

#include <torch/types.h>

namespace trivium::kernels {

/// [N, T, H, d] each, of one type, with any strides but a dense last axis: parts of one tensor, or three of their own.
struct TokenHeads {
  torch::Tensor query, key, value;
};

/// Whether token_attention takes them: float32 or bfloat16 on the CPU.
bool has_token_attention(const TokenHeads& heads);

/// softmax(q kᵀ / √d) v of each head, [N, T, H · d], of the type of the heads. Sums run in float32.
torch::Tensor token_attention(const TokenHeads& heads);

/// From the gradient [N, T, H · d] of the result those of the heads, written into `gradients`. The weights are made again. The same sums in
/// the same order whatever the number of threads.
void token_attention_backward(const torch::Tensor& gradient, const TokenHeads& heads, const TokenHeads& gradients);

}  // namespace trivium::kernels
