#include "nn/blocks/reorder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>
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

struct Spread : torch::autograd::Function<Spread> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& rows, const torch::Tensor& index) {
    context->save_for_backward({index});
    context->saved_data["width"] = rows.size(1);
    return at::index_select(rows, 1, index);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const auto index = context->get_saved_variables()[0];
    const auto& gradient = gradients[0];
    const int64_t width = context->saved_data["width"].toInt(), count = index.size(0);
    auto sums = at::zeros({gradient.size(0), width}, gradient.options());
    if (at::GradMode::is_enabled() || !gradient.device().is_cpu() || gradient.scalar_type() != at::kFloat) {
      return {sums.index_add(1, index, gradient), torch::Tensor()};
    }
    const auto whole = gradient.contiguous();
    const auto* places = index.const_data_ptr<int64_t>();
    for (int64_t row = 0; row < whole.size(0); ++row) {
      const auto* from = whole.const_data_ptr<float>() + row * count;
      auto* to = sums.mutable_data_ptr<float>() + row * width;
      for (int64_t i = 0; i < count; ++i) to[places[i]] += from[i];
    }
    return {sums, torch::Tensor()};
  }
};

}  // namespace

torch::Tensor spread(const torch::Tensor& rows, const torch::Tensor& index) {
  if (!at::GradMode::is_enabled() || !rows.requires_grad()) return at::index_select(rows, 1, index);
  return Spread::apply(rows, index);
}

torch::Tensor reordered(const torch::Tensor& tokens, const torch::Tensor& order, const torch::Tensor& inverse) {
  // Without a gradient the plain operator, which a trace can hold.
  if (!at::GradMode::is_enabled() || !tokens.requires_grad()) return at::index_select(tokens, 1, order);
  return Reorder::apply(tokens, order, inverse);
}

}  // namespace trivium::nn
