// What stands beside the tokens on their way through a transformer: the same for all until tokens are merged or learned.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace trivium::nn {

/// A token tensor is [N, P + T, D]: P prefix tokens (class, registers), which stand for no place of the image and are never merged, then
/// T tokens that do. Nothing here takes a gradient.
struct TokenState {
  int64_t prefix = 0;        // P
  torch::Tensor sizes;       // [N, T, 1] float32: how many patches a token stands for. Undefined: one each.
  torch::Tensor origin;      // [N, patches] int64: the token that holds each patch. Undefined: its own.
  torch::Tensor positions;   // [1 or N, T, 2] float32: where a token stands (row, column), in the units of blocks/rotary.h. Undefined: not asked for.
  torch::Tensor sine, cosine;  // [1 or N, 1, T, d / 2] float32: the rotation of a query or key at these positions
};

}  // namespace trivium::nn
