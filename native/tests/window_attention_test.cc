// The kernel of SwinV2's attention against the operators it stands for: values and gradients, for whole vectors of tokens and channels and
// for what is left over, with and without a mask, on several threads.
#include "kernels/window_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/softmax.h>

#include "check.h"
#include "nn/blocks/window_attention.h"

using namespace trivium;
using kernels::WindowWeights;

struct Case {
  int64_t images, windows, tokens, heads, depth;
  bool masked;
};

static WindowWeights weights_of(const Case& c) {
  WindowWeights weights{torch::rand({c.heads}) * 5 + 1, torch::randn({c.heads, c.tokens, c.tokens}), {}, torch::randperm(c.windows * c.tokens)};
  if (c.masked) weights.mask = torch::randint(0, 2, {c.windows, c.tokens, c.tokens}).to(torch::kFloat) * -100;
  return weights;
}

/// In float64 and operator by operator.
static torch::Tensor by_hand(const Case& c, const torch::Tensor& qkv, const torch::Tensor& scale, const torch::Tensor& bias,
                             const WindowWeights& weights) {
  const auto parts = qkv.index_select(1, weights.order).view({c.images, c.windows, c.tokens, 3, c.heads, c.depth}).permute({3, 0, 1, 4, 2, 5});
  const auto unit = [](const torch::Tensor& v) { return v / at::linalg_vector_norm(v, 2, at::IntArrayRef{-1}, true); };
  auto scores = unit(parts[0]).matmul(unit(parts[1]).transpose(-2, -1)) * scale.view({-1, 1, 1}) + bias;
  if (c.masked) scores = scores + weights.mask.to(torch::kDouble).unsqueeze(1);
  const auto mixed = at::softmax(scores, -1).matmul(parts[2]);  // [N, windows, heads, T, d]
  const auto rows = mixed.transpose(2, 3).reshape({c.images, c.windows * c.tokens, c.heads * c.depth});
  return rows.index_select(1, weights.order.argsort());
}

static void agrees(const Case& c, torch::ScalarType type, double tolerance) {
  const auto weights = weights_of(c);
  const auto qkv = torch::randn({c.images, c.windows * c.tokens, 3 * c.heads * c.depth}).to(type);
  const auto cotangent = torch::randn({c.images, c.windows * c.tokens, c.heads * c.depth}).to(type);
  const auto wide = [](const torch::Tensor& tensor) { return tensor.to(torch::kDouble).requires_grad_(); };
  const auto q = wide(qkv), s = wide(weights.scale), b = wide(weights.bias);
  const auto expected = by_hand(c, q, s, b, weights);
  expected.backward(cotangent.to(torch::kDouble));
  CHECK_NEAR(kernels::window_attention(qkv, weights), expected, tolerance);
  const auto [dq, ds, db] = kernels::window_attention_backward(cotangent, qkv, weights);
  CHECK_TRUE(dq.scalar_type() == type && ds.scalar_type() == torch::kFloat);
  CHECK_NEAR(dq, q.grad(), tolerance);
  CHECK_NEAR(ds, s.grad(), tolerance);
  CHECK_NEAR(db, b.grad(), tolerance);
}

static void equals_the_operators() {
  torch::manual_seed(1);
  for (const auto& c : {Case{2, 4, 16, 2, 16, true}, Case{2, 3, 64, 3, 32, true}, Case{1, 2, 49, 2, 20, true}, Case{3, 1, 4, 1, 8, false},
                        Case{1, 1, 1, 2, 5, false}, Case{1, 2, 144, 1, 32, false}}) {
    agrees(c, torch::kFloat, 1e-5);
    agrees(c, torch::kBFloat16, 2e-2);
  }
  at::set_num_threads(3);
  agrees({2, 4, 16, 2, 16, true}, torch::kFloat, 1e-5);
  at::set_num_threads(1);
}

static void zeros_pass_no_gradient() {
  const Case c{1, 1, 16, 1, 16, false};
  const auto weights = weights_of(c);
  auto qkv = torch::randn({1, 16, 48});
  qkv.slice(1, 3, 4).slice(2, 0, 32).zero_();  // a query and a key
  const auto [dq, ds, db] = kernels::window_attention_backward(torch::randn({1, 16, 16}), qkv, weights);
  CHECK_TRUE(dq.isfinite().all().item<bool>() && dq.slice(1, 3, 4).slice(2, 0, 32).abs().max().item<double>() == 0);
  CHECK_TRUE(kernels::window_attention(qkv, weights).isfinite().all().item<bool>());
}

// Large scores, both ways: the softmax neither overflows nor loses its sum.
static void scores_may_be_large() {
  const Case c{1, 1, 32, 1, 16, false};
  auto weights = weights_of(c);
  weights.bias.mul_(300);
  const auto qkv = torch::randn({1, 32, 48});
  const auto wide = qkv.to(torch::kDouble);
  CHECK_NEAR(kernels::window_attention(qkv, weights), by_hand(c, wide, weights.scale.to(torch::kDouble), weights.bias.to(torch::kDouble), weights),
             1e-5);
}

// The layer: kernel and operators (float64 has none but these) agree, for shifted windows and for a map that is filled up.
static void the_layer_agrees_with_itself() {
  for (const auto& grid : {nn::WindowGrid{8, 4, 2}, nn::WindowGrid{7, 4, 2}, nn::WindowGrid{8, 4, 0}}) {
    nn::WindowAttention layer(16, 2, grid, 0);
    {
      torch::NoGradGuard no_grad;
      for (auto& parameter : layer.parameters()) parameter.add_(torch::randn_like(parameter) * 0.2);
    }
    const auto values = torch::randn({2, grid.side, grid.side, 16}), cotangent = torch::randn({2, grid.side, grid.side, 16});
    const auto run = [&](torch::ScalarType type) {
      layer.to(type);
      layer.zero_grad();
      const auto map = values.to(type).requires_grad_();
      const auto out = layer.forward(map);
      out.backward(cotangent.to(type));
      std::vector<torch::Tensor> results{out.detach(), map.grad()};
      for (const auto& parameter : layer.parameters()) results.push_back(parameter.grad().clone());
      return results;
    };
    const auto exact = run(torch::kDouble), ours = run(torch::kFloat);
    for (size_t i = 0; i < exact.size(); ++i) CHECK_NEAR(ours[i], exact[i], 2e-5);
  }
}

static void wrong_shapes_are_refused() {
  const Case c{1, 2, 16, 2, 8, true};
  const auto weights = weights_of(c);
  CHECK_ERROR(Shape, "expected contiguous qkv", kernels::window_attention(torch::randn({1, 31, 48}), weights));
  CHECK_ERROR(Shape, "expected a contiguous gradient of 512 values",
              kernels::window_attention_backward(torch::randn({1, 32, 15}), torch::randn({1, 32, 48}), weights));
}

int main() {
  at::set_num_threads(1);
  equals_the_operators();
  zeros_pass_no_gradient();
  scores_may_be_large();
  the_layer_agrees_with_itself();
  wrong_shapes_are_refused();
  return trivium::testing::finish("window_attention");
}
