// The weight gradient of a depthwise convolution: LibTorch's numbers, for every kernel, type, width of map and number of channels.
#include "kernels/depthwise.h"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/convolution_backward.h>
#include <torch/csrc/autograd/autograd.h>

#include "check.h"
#include "nn/blocks/depthwise_conv.h"

using namespace trivium;

static torch::Tensor map_of(int64_t count, int64_t channels, int64_t height, int64_t width, torch::ScalarType type) {
  return torch::randn({count, channels, height, width}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
}

static void agrees(int64_t count, int64_t channels, int64_t height, int64_t width, int64_t kernel, torch::ScalarType type) {
  const auto input = map_of(count, channels, height, width, type), gradient = map_of(count, channels, height, width, type);
  const auto wide = torch::kDouble;
  const std::vector<int64_t> sizes{channels};
  const auto expected = at::convolution_backward(gradient.to(wide), input.to(wide), torch::zeros({channels, 1, kernel, kernel}, wide),
                                                 at::IntArrayRef(sizes), {1, 1}, {kernel / 2, kernel / 2}, {1, 1}, false, {0, 0}, channels,
                                                 {false, true, true});
  const auto [weight, bias] = kernels::depthwise_weight_gradient(input, gradient, kernel);
  CHECK_NEAR(weight, std::get<1>(expected), 1e-5);
  CHECK_NEAR(bias, std::get<2>(expected), 1e-5);
}

static void equals_libtorch() {
  torch::manual_seed(1);
  for (const auto type : {torch::kFloat, torch::kBFloat16}) {
    for (const int64_t kernel : {3, 5, 7}) {
      agrees(2, 40, 8, 8, kernel, type);  // 16 + 16 + 8 channels
      agrees(3, 29, 5, 9, kernel, type);  // 16 + 8 + 4 + 1, and a map that is no square
      agrees(2, 16, 1, 1, kernel, type);
      agrees(1, 3, 2, 3, kernel, type);   // narrower than the kernel
    }
  }
  at::set_num_threads(3);
  agrees(2, 24, 7, 6, 7, torch::kFloat);
  at::set_num_threads(1);
}

static void says_what_it_takes() {
  const auto map = map_of(1, 8, 4, 4, torch::kFloat);
  CHECK_TRUE(kernels::has_depthwise_weight_gradient(map, 7));
  CHECK_TRUE(!kernels::has_depthwise_weight_gradient(map, 4));
  CHECK_TRUE(!kernels::has_depthwise_weight_gradient(map.to(torch::kDouble), 7));
  CHECK_TRUE(!kernels::has_depthwise_weight_gradient(map.contiguous(), 7));
  CHECK_ERROR(Shape, "two channels-last maps of one shape", kernels::depthwise_weight_gradient(map, map_of(1, 8, 4, 5, torch::kFloat), 7));
}

// The layer: the same gradients where our kernel serves and where it does not, also those of gradients, and in autocast.
static void the_layer_differentiates() {
  nn::DepthwiseConv layer(12, 7);
  {
    torch::NoGradGuard no_grad;
    layer.weight.normal_();
    layer.bias.normal_();
  }
  const auto values = torch::randn({2, 12, 6, 5}), cotangent = torch::randn({2, 12, 6, 5});
  const auto run = [&](const torch::Tensor& start) {
    layer.zero_grad();
    const auto input = start.detach().clone(at::MemoryFormat::Preserve).requires_grad_();
    (layer.forward(input) * cotangent.to(start.scalar_type())).sum().backward();
    return std::vector<torch::Tensor>{input.grad().clone(), layer.weight.grad().clone(), layer.bias.grad().clone()};
  };
  const auto ours = run(values.contiguous(at::MemoryFormat::ChannelsLast)), theirs = run(values);
  for (size_t i = 0; i < ours.size(); ++i) CHECK_NEAR(ours[i], theirs[i], 1e-5);

  const auto squared = [&](const torch::Tensor& start) {
    const auto input = start.detach().clone(at::MemoryFormat::Preserve).requires_grad_();
    const auto loss = layer.forward(input).pow(3).sum();
    const auto first = torch::autograd::grad({loss}, {layer.weight}, {}, true, true)[0];
    return torch::autograd::grad({first.square().sum()}, {input})[0];
  };
  CHECK_NEAR(squared(values.contiguous(at::MemoryFormat::ChannelsLast)), squared(values), 1e-4);

  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, torch::kBFloat16);
  layer.zero_grad();
  const auto half = layer.forward(values.contiguous(at::MemoryFormat::ChannelsLast));
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  CHECK_TRUE(half.scalar_type() == torch::kBFloat16);
  (half.to(torch::kFloat) * cotangent).sum().backward();
  CHECK_TRUE(layer.weight.grad().scalar_type() == torch::kFloat);
  CHECK_NEAR(layer.weight.grad(), theirs[1], 0.05);
}

int main() {
  at::set_num_threads(1);
  equals_libtorch();
  says_what_it_takes();
  the_layer_differentiates();
  return trivium::testing::finish("depthwise");
}
