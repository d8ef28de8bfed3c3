#include "nn/blocks/depthwise_conv.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <tuple>
#include <vector>

#include "kernels/depthwise.h"

namespace trivium::nn {
namespace {

torch::Tensor convolved(const torch::Tensor& map, const torch::Tensor& weight, const torch::Tensor& bias) {
  const int64_t padding = weight.size(2) / 2;
  return at::conv2d(map, weight, bias, {1, 1}, at::IntArrayRef{padding, padding}, {1, 1}, weight.size(0));
}

/// LibTorch's forward pass and input gradient with a weight gradient of ours.
struct Depthwise : torch::autograd::Function<Depthwise> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& map, const torch::Tensor& weight,
                               const torch::Tensor& bias) {
    context->save_for_backward({map, weight});
    return convolved(map, weight, bias);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &map = saved[0], &weight = saved[1];
    const auto gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const int64_t kernel = weight.size(2), padding = kernel / 2;
    torch::Tensor map_gradient;
    if (context->needs_input_grad(0)) {
      map_gradient = std::get<0>(at::convolution_backward(gradient, map, weight, std::nullopt, {1, 1}, {padding, padding}, {1, 1}, false,
                                                          {0, 0}, weight.size(0), {true, false, false}));
    }
    if (at::GradMode::is_enabled()) {
      // Somebody differentiates once more: LibTorch's own, which knows its gradient.
      const std::vector<int64_t> channels{weight.size(0)};
      auto [_, weight_gradient, bias_gradient] =
          at::convolution_backward(gradient, map, weight, at::IntArrayRef(channels), {1, 1}, {padding, padding}, {1, 1}, false, {0, 0},
                                   weight.size(0), {false, true, true});
      return {map_gradient, weight_gradient, bias_gradient};
    }
    auto [weight_gradient, bias_gradient] = kernels::depthwise_weight_gradient(map, gradient, kernel);
    return {map_gradient, weight_gradient.to(weight.scalar_type()), bias_gradient.to(weight.scalar_type())};
  }
};

/// What autocast would make of an argument of a convolution.
torch::Tensor in_autocast_type(const torch::Tensor& tensor) {
  if (!at::autocast::is_autocast_enabled(at::kCPU) || tensor.scalar_type() == at::kDouble) return tensor;
  return at::autocast::cached_cast(at::autocast::get_autocast_dtype(at::kCPU), tensor, at::kCPU);
}

}  // namespace

DepthwiseConv::DepthwiseConv(int64_t channels, int64_t kernel) {
  weight = register_parameter("weight", at::empty({channels, 1, kernel, kernel}));
  bias = register_parameter("bias", at::zeros({channels}));
}

torch::Tensor DepthwiseConv::forward(const torch::Tensor& map) {
  if (!map.device().is_cpu() || !at::GradMode::is_enabled() || !weight.requires_grad()) return convolved(map, weight, bias);
  const auto own = in_autocast_type(map);
  if (!kernels::has_depthwise_weight_gradient(own, weight.size(2))) return convolved(map, weight, bias);
  return Depthwise::apply(own, in_autocast_type(weight), in_autocast_type(bias));
}

}  // namespace trivium::nn
