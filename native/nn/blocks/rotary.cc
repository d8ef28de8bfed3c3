#include "nn/blocks/rotary.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/stack.h>

#include <cmath>

#include "core/error.h"
#include "nn/blocks/precision.h"

namespace trivium::nn {
namespace {

torch::Tensor places(const RotaryShape& shape, int64_t side) {
  const auto index = at::arange(side, torch::kFloat);
  const auto line = shape.grid == RotaryShape::Grid::Centred ? (index + 0.5) / static_cast<double>(side) * 2.0 - 1.0
                                                             : index / static_cast<double>(side) * shape.reference;
  const auto rows = line.view({side, 1}).expand({side, side}), columns = line.view({1, side}).expand({side, side});
  return at::stack({rows, columns}, -1).view({1, side * side, 2});
}

torch::Tensor frequencies(const RotaryShape& shape, int64_t count) {
  const auto exponents = at::arange(count, torch::kFloat) / static_cast<double>(count);
  const auto slowing = at::pow(shape.temperature, exponents).reciprocal();
  return shape.grid == RotaryShape::Grid::Centred ? slowing * (2.0 * M_PI) : slowing;
}

}  // namespace

Rotary::Rotary(const RotaryShape& shape, int64_t head_width, int64_t side) : halves_(shape.halves) {
  if (shape.grid == RotaryShape::Grid::None) return;
  if (head_width % 4 != 0) throw error(ErrorKind::Config, "rotary embedding: expected a head width divisible by 4 but got ", head_width);
  at::NoGradGuard no_grad;
  positions_ = places(shape, side);
  frequencies_ = frequencies(shape, head_width / 4);
  TokenState state;
  state.positions = positions_;
  turn(state);
  sine_ = state.sine;
  cosine_ = state.cosine;
}

void Rotary::start(TokenState& state, at::Device device) {
  if (!used()) return;
  if (positions_.device() != device) {
    for (auto* constant : {&positions_, &frequencies_, &sine_, &cosine_}) *constant = constant->to(device);
  }
  state.positions = positions_;
  state.sine = sine_;
  state.cosine = cosine_;
}

void Rotary::turn(TokenState& state) const {
  if (!used()) return;
  at::NoGradGuard no_grad;
  const FullPrecision full;
  const auto angles = (state.positions.unsqueeze(-1) * frequencies_).flatten(2).unsqueeze(1);  // [N, 1, T, d / 2]
  state.sine = angles.sin();
  state.cosine = angles.cos();
}

torch::Tensor Rotary::apply(const torch::Tensor& heads, const TokenState& state) const {
  if (!used()) return heads;
  const auto turned = state.prefix > 0 ? heads.slice(2, state.prefix) : heads;
  const int64_t half = turned.size(3) / 2;
  const auto first = halves_ ? turned.slice(3, 0, half) : turned.slice(3, 0, 2 * half, 2);
  const auto second = halves_ ? turned.slice(3, half) : turned.slice(3, 1, 2 * half, 2);
  const auto x = first * state.cosine - second * state.sine, y = second * state.cosine + first * state.sine;
  auto result = halves_ ? at::cat({x, y}, 3) : at::stack({x, y}, 4).flatten(3);
  result = result.to(heads.scalar_type());
  return state.prefix > 0 ? at::cat({heads.slice(2, 0, state.prefix), result}, 2) : result;
}

}  // namespace trivium::nn
