// The weight gradient of a depthwise convolution, on the CPU. LibTorch's own takes ten to a hundred times as long as the forward pass.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <utility>

namespace trivium::kernels {

/// Whether depthwise_weight_gradient takes these: float32 or bfloat16 on the CPU, channels-last, a kernel of 3, 5 or 7.
bool has_depthwise_weight_gradient(const torch::Tensor& input, int64_t kernel);

/// For a depthwise convolution of stride 1 that keeps the size (padding kernel / 2): of `input` [N, C, H, W] and the gradient of the
/// result, of the same shape, both channels-last, the gradients of the weight [C, 1, kernel, kernel] and of the bias [C], both float32.
/// Sums run in float32, in an order that depends on the number of threads alone.
std::pair<torch::Tensor, torch::Tensor> depthwise_weight_gradient(const torch::Tensor& input, const torch::Tensor& gradient,
                                                                  int64_t kernel);

}  // namespace trivium::kernels
