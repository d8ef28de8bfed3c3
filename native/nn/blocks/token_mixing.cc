#include "nn/blocks/token_mixing.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <vector>

#include "core/error.h"
#include "kernels/token_attention.h"
#include "nn/blocks/watched.h"

namespace trivium::nn {
namespace {

using kernels::TokenHeads;
using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Where the kernel's forward pass is the faster one, and where its backward pass is.
constexpr int64_t kFewTokens = 64, kManyTokens = 320;

/// Whether the kernel runs, in the backward pass at least.
bool fits(const TokenHeads& heads, bool differentiated) {
  const bool counts = heads.query.size(1) <= (differentiated ? kManyTokens : kFewTokens);
  return counts && kernels::has_token_attention(heads);
}

bool is_differentiated(const Tensor& tensor) { return at::GradMode::is_enabled() && tensor.requires_grad(); }

Tensor by_operator(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias) {
  const auto given = bias.defined() ? std::optional<Tensor>(bias) : std::nullopt;
  return at::scaled_dot_product_attention(query, key, value, given).transpose(1, 2).flatten(2);
}

Tensor forward_pass(const TokenHeads& heads) {
  if (heads.query.size(1) <= kFewTokens) return kernels::token_attention(heads);
  return by_operator(heads.query.transpose(1, 2), heads.key.transpose(1, 2), heads.value.transpose(1, 2), {});
}

void refuse_second_gradient() {
  if (!at::GradMode::is_enabled()) return;
  throw error(ErrorKind::Config, "attention: gradients of gradients are not available in float32 and bfloat16. Use float64 for them.");
}

/// Views of the three parts of [N, T, 3 · D].
TokenHeads parts_of(const Tensor& projected, int64_t heads) {
  const auto parts = projected.unflatten(2, {3, heads, -1});
  return {parts.select(2, 0), parts.select(2, 1), parts.select(2, 2)};
}

struct PackedAttention : torch::autograd::Function<PackedAttention> {
  static Tensor forward(AutogradContext* context, const Tensor& projected, int64_t heads) {
    context->save_for_backward({projected});
    context->saved_data["heads"] = heads;
    return forward_pass(parts_of(projected, heads));
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    refuse_second_gradient();
    const auto projected = context->get_saved_variables()[0];
    const int64_t heads = context->saved_data["heads"].toInt();
    const auto result = at::empty(projected.sizes(), projected.options());
    kernels::token_attention_backward(gradients[0].contiguous(), parts_of(projected, heads), parts_of(result, heads));
    return {result, Tensor()};
  }
};

/// [N, H, T, d] → [N, T, H, d]
TokenHeads by_token(const Tensor& query, const Tensor& key, const Tensor& value) {
  return {query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)};
}

struct ApartAttention : torch::autograd::Function<ApartAttention> {
  static Tensor forward(AutogradContext* context, const Tensor& query, const Tensor& key, const Tensor& value) {
    context->save_for_backward({query, key, value});
    return forward_pass(by_token(query, key, value));
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    refuse_second_gradient();
    const auto saved = context->get_saved_variables();
    const auto heads = by_token(saved[0], saved[1], saved[2]);
    const auto made = [&] { return at::empty(heads.query.sizes(), heads.query.options()); };
    const TokenHeads results{made(), made(), made()};
    kernels::token_attention_backward(gradients[0].contiguous(), heads, results);
    return {results.query.transpose(1, 2), results.key.transpose(1, 2), results.value.transpose(1, 2)};
  }
};

}  // namespace

std::vector<Tensor> split_heads(const Tensor& projected, int64_t heads) {
  // The batch is −1 and never a number: a number would be frozen into a traced graph.
  // One unbind and not three selects: its backward stacks the three gradients once.
  return projected.reshape({-1, projected.size(1), 3, heads, projected.size(2) / (3 * heads)}).permute({2, 0, 3, 1, 4}).unbind(0);
}

Tensor mix_tokens(const Tensor& projected, int64_t heads) {
  const bool ours = !operators_are_watched() && fits(parts_of(projected.detach(), heads), is_differentiated(projected));
  if (ours) return PackedAttention::apply(projected, heads);
  const auto qkv = split_heads(projected, heads);
  return by_operator(qkv[0], qkv[1], qkv[2], {});
}

Tensor mix_tokens(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias) {
  const bool differentiated = is_differentiated(query) || is_differentiated(key) || is_differentiated(value);
  const bool ours = !bias.defined() && !operators_are_watched() &&
                    fits(by_token(query.detach(), key.detach(), value.detach()), differentiated);
  return ours ? ApartAttention::apply(query, key, value) : by_operator(query, key, value, bias);
}

}  // namespace trivium::nn
