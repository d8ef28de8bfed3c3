// Convolutions whose kernel is as large as their stride, as one matrix product over the patches.
#pragma once

#include <torch/types.h>

namespace trivium::nn {

/// `map` [N, C, H, W] through `weight` [D, C, k, k] and `bias` [D] at stride k without padding → [N, ⌊H/k⌋, ⌊W/k⌋, D]. On the CPU patches
/// that fill the map are rows of a matrix: LibTorch's weight gradient of such a convolution takes ten times as long as that product and more.
torch::Tensor convolve_patches(const torch::Tensor& map, const torch::Tensor& weight, const torch::Tensor& bias);

}  // namespace trivium::nn
