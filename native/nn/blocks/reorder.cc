#include "nn/blocks/reorder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <torch/csrc/autograd/custom_function.h>

namespace trivium::nn {
namespace {

struct Reorder : torch::autograd::Function<Reorder> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& tokens, const torch::Tensor& order,
                               const torch::Tensor& inverse) {
    context->save_for_backward({order, inverse});
    return at::index_select(tokens, 1, order);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {reordered(gradients[0], saved[1], saved[0]), torch::Tensor(), torch::Tensor()};
  }
};

}  // namespace

torch::Tensor reordered(const torch::Tensor& tokens, const torch::Tensor& order, const torch::Tensor& inverse) {
  // Without a gradient the plain operator, which a trace can hold.
  if (!at::GradMode::is_enabled() || !tokens.requires_grad()) return at::index_select(tokens, 1, order);
  return Reorder::apply(tokens, order, inverse);
}

}  // namespace trivium::nn
