// Cosine attention inside windows in one pass over queries, keys and values, on the CPU: what SwinV2 does between its linear layers.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <tuple>

namespace trivium::kernels {

/// What attends to what, and how strongly.
struct WindowWeights {
  torch::Tensor scale;  // [H] float32: cosines are multiplied by it
  torch::Tensor bias;   // [H, T, T] float32, added to them
  torch::Tensor mask;   // [windows, T, T] float32, added too; undefined: none
  torch::Tensor order;  // [windows · T] int64: the position in the map of each token of each window, a permutation
};

/// Whether window_attention takes it: float32 or bfloat16 on the CPU.
bool has_window_attention(const torch::Tensor& qkv);

/// `qkv` [N, windows · T, 3 · D] contiguous, the linear layer's result in the order of the map → softmax(scale · cos(q, k) + bias + mask) v
/// for each window and head, [N, windows · T, D] in the order of the map, of the same type. Sums run in float32.
torch::Tensor window_attention(const torch::Tensor& qkv, const WindowWeights& weights);

/// From the gradient of the result those of qkv (of its type), scale [H] and bias [H, T, T] (float32). What the forward pass made on its way
/// is made again. A query or key of zeros gets the gradient zero.
std::tuple<torch::Tensor, torch::Tensor, torch::Tensor> window_attention_backward(const torch::Tensor& gradient, const torch::Tensor& qkv,
                                                                                  const WindowWeights& weights);

}  // namespace trivium::kernels
