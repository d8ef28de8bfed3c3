// Convolutions of patches as matrix products: LibTorch's convolution, forwards and backwards.
#include "nn/blocks/patches.h"

#include <ATen/ops/conv2d.h>

#include "check.h"

using namespace trivium;

static void equals_the_convolution() {
  torch::manual_seed(1);
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (const int64_t width : {12, 13}) {  // a map of whole patches, and one with a rest that no patch covers
      const auto map = torch::randn({2, 3, 8, width}).contiguous(format).requires_grad_();
      const auto weight = torch::randn({5, 3, 4, 4}).contiguous(format).requires_grad_();
      const auto bias = torch::randn({5}).requires_grad_();
      const auto cotangent = torch::randn({2, 2, 3, 5});
      const auto run = [&](const torch::Tensor& result) {
        for (const auto& leaf : {map, weight, bias}) leaf.mutable_grad().reset();
        result.backward(cotangent);
        return std::vector<torch::Tensor>{result.detach(), map.grad(), weight.grad(), bias.grad()};
      };
      const auto ours = run(nn::convolve_patches(map, weight, bias));
      const auto expected = run(at::conv2d(map, weight, bias, {4, 4}).permute({0, 2, 3, 1}));
      for (size_t i = 0; i < ours.size(); ++i) CHECK_NEAR(ours[i], expected[i], 1e-5);
      CHECK_TRUE(weight.grad().strides() == weight.strides());  // what the optimizer's pass over memory wants
    }
  }
}

int main() {
  equals_the_convolution();
  return trivium::testing::finish("patches");
}
