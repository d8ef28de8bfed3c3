#include "nn/blocks/patches.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/linear.h>

#include "nn/blocks/watched.h"

namespace trivium::nn {

torch::Tensor convolve_patches(const torch::Tensor& map, const torch::Tensor& weight, const torch::Tensor& bias) {
  const int64_t side = weight.size(2);
  if (!map.device().is_cpu() || operators_are_watched() || map.size(2) % side != 0 || map.size(3) % side != 0) {
    return at::conv2d(map, weight, bias, {side, side}).permute({0, 2, 3, 1});
  }
  // Positions first and channels last, as maps and kernels lie in memory: rows of a patch are copied as they are.
  const auto patches = map.permute({0, 2, 3, 1}).unflatten(2, {-1, side}).unflatten(1, {-1, side}).transpose(2, 3).flatten(3);
  return at::linear(patches, weight.permute({0, 2, 3, 1}).flatten(1), bias);
}

}  // namespace trivium::nn
