// The kernel of attention among few tokens against the operators it stands for: values and gradients, for whole vectors of tokens and
// channels and for what is left over, packed and apart, on several threads.
#include "kernels/token_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "check.h"
#include "nn/blocks/token_mixing.h"

using namespace trivium;
using kernels::TokenHeads;

struct Case {
  int64_t images, tokens, heads, depth;
};

/// In the type of `qkv`, operator by operator.
static torch::Tensor by_hand(const Case& c, const torch::Tensor& qkv) {
  const auto parts = qkv.view({c.images, c.tokens, 3, c.heads, c.depth}).permute({2, 0, 3, 1, 4});
  const auto scores = parts[0].matmul(parts[1].transpose(-2, -1)) / std::sqrt(static_cast<double>(c.depth));
  return at::softmax(scores, -1).matmul(parts[2]).transpose(1, 2).reshape({c.images, c.tokens, c.heads * c.depth});
}

static TokenHeads parts_of(const Case& c, const torch::Tensor& qkv) {
  const auto parts = qkv.view({c.images, c.tokens, 3, c.heads, c.depth});
  return {parts.select(2, 0), parts.select(2, 1), parts.select(2, 2)};
}

static void agrees(const Case& c, torch::ScalarType type, double tolerance) {
  const auto qkv = torch::randn({c.images, c.tokens, 3 * c.heads * c.depth}).to(type);
  const auto cotangent = torch::randn({c.images, c.tokens, c.heads * c.depth}).to(type);
  const auto exact = qkv.to(torch::kDouble).requires_grad_();
  const auto expected = by_hand(c, exact);
  expected.backward(cotangent.to(torch::kDouble));
  const auto result = kernels::token_attention(parts_of(c, qkv));
  CHECK_TRUE(result.scalar_type() == type);
  CHECK_NEAR(result, expected, tolerance);
  const auto gradient = torch::full_like(qkv, NAN);
  kernels::token_attention_backward(cotangent, parts_of(c, qkv), parts_of(c, gradient));
  CHECK_NEAR(gradient, exact.grad(), tolerance);
}

static void equals_the_operators() {
  torch::manual_seed(1);
  for (const auto& c : {Case{3, 17, 6, 64}, Case{2, 26, 2, 64}, Case{2, 64, 3, 32}, Case{1, 49, 2, 20}, Case{3, 1, 1, 8}, Case{1, 35, 2, 5},
                        Case{1, 100, 1, 16}}) {
    agrees(c, torch::kFloat, 1e-5);
    agrees(c, torch::kBFloat16, 2e-2);
  }
}

static void threads_change_nothing() {
  const Case c{5, 17, 3, 16};
  const auto qkv = torch::randn({c.images, c.tokens, 3 * c.heads * c.depth}), cotangent = torch::randn({c.images, c.tokens, c.heads * c.depth});
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    auto gradient = torch::empty_like(qkv);
    kernels::token_attention_backward(cotangent, parts_of(c, qkv), parts_of(c, gradient));
    return std::pair{kernels::token_attention(parts_of(c, qkv)), gradient};
  };
  const auto one = run(1), three = run(3);
  at::set_num_threads(1);
  CHECK_TRUE(one.first.equal(three.first) && one.second.equal(three.second));
}

// Large scores, both ways: the softmax neither overflows nor loses its sum.
static void scores_may_be_large() {
  const Case c{1, 20, 1, 16};
  const auto qkv = torch::randn({1, 20, 48}) * 30;
  CHECK_NEAR(kernels::token_attention(parts_of(c, qkv)), by_hand(c, qkv.to(torch::kDouble)), 1e-4);
}

// What the layers call: packed, apart in any layout; the kernel both ways, backwards alone, and not at all.
static void every_way_of_mixing_agrees() {
  for (const auto& c : {Case{2, 17, 2, 16}, Case{1, 70, 2, 16}, Case{1, 330, 1, 8}}) {
    const auto values = torch::randn({c.images, c.tokens, 3 * c.heads * c.depth});
    const auto cotangent = torch::randn({c.images, c.tokens, c.heads * c.depth});
    const auto exact = values.to(torch::kDouble).requires_grad_();
    const auto expected = by_hand(c, exact);
    expected.backward(cotangent.to(torch::kDouble));
    for (const auto type : {torch::kFloat, torch::kDouble}) {
      const auto packed = values.to(type).clone().requires_grad_(), apart = values.to(type).clone().requires_grad_();
      const auto one = nn::mix_tokens(packed, c.heads);
      const auto parts = apart.view({c.images, c.tokens, 3, c.heads, c.depth}).permute({2, 0, 3, 1, 4}).unbind(0);
      const auto other = nn::mix_tokens(parts[0], parts[1], parts[2], {});
      CHECK_NEAR(one, expected, 1e-5);
      CHECK_NEAR(other, expected, 1e-5);
      one.backward(cotangent.to(type));
      other.backward(cotangent.to(type));
      CHECK_NEAR(packed.grad(), exact.grad(), 1e-5);
      CHECK_NEAR(apart.grad(), exact.grad(), 1e-5);
    }
  }
}

static void a_bias_is_added() {
  const auto q = torch::randn({2, 2, 9, 4}), k = torch::randn({2, 2, 9, 4}), v = torch::randn({2, 2, 9, 4}), bias = torch::randn({2, 1, 1, 9});
  const auto expected = at::scaled_dot_product_attention(q, k, v, bias).transpose(1, 2).flatten(2);
  CHECK_NEAR(nn::mix_tokens(q, k, v, bias), expected, 1e-6);
}

static void wrong_shapes_are_refused() {
  const auto heads = torch::randn({1, 4, 2, 8}), fewer = torch::randn({1, 3, 2, 8});
  CHECK_ERROR(Shape, "expected heads [N, T, H, d]", kernels::token_attention({heads, fewer, heads}));
  CHECK_ERROR(Shape, "expected heads [N, T, H, d]", kernels::token_attention({heads, heads, heads.to(torch::kBFloat16)}));
  CHECK_ERROR(Shape, "expected a gradient [1, 4, 16]", kernels::token_attention_backward(torch::randn({1, 4, 15}), {heads, heads, heads},
                                                                                        {heads.clone(), heads.clone(), heads.clone()}));
}

// The operators of a forward pass have no second gradient there either; silence would be a wrong number.
static void second_gradients_are_refused() {
  const auto qkv = torch::randn({1, 5, 24}).requires_grad_();
  const auto result = nn::mix_tokens(qkv, 2);
  CHECK_ERROR(Config, "gradients of gradients", torch::autograd::grad({result.sum()}, {qkv}, {}, /*retain_graph=*/true, /*create_graph=*/true));
}

int main() {
  at::set_num_threads(1);
  equals_the_operators();
  threads_change_nothing();
  scores_may_be_large();
  every_way_of_mixing_agrees();
  a_bias_is_added();
  wrong_shapes_are_refused();
  second_gradients_are_refused();
  return trivium::testing::finish("token_attention");
}
