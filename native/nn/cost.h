// What a network costs, counted in a rehearsal: its forward pass with the arithmetic left out.
#pragma once

#include <cstdint>
#include <string>

namespace trivium::nn {

struct Cost {
  int64_t parameters;
  /// Of one image of the network's own size, as fvcore and timm's tables count "FLOPs": convolutions, matrix products and attention, one
  /// for a multiplication with its addition; element-wise work, normalisation and pooling are left out. PyTorch's FlopCounterMode gives
  /// twice as many.
  int64_t multiply_adds;
};

/// The network as it is made without options. Its large tensors are never filled and its products never computed, so that one of a
/// billion parameters takes no memory and well under a second.
///
/// Operators are counted where LibTorch dispatches them. A kernel of our own that is no ATen operator is not seen; it needs a line in cost.cc.
Cost backbone_cost(const std::string& name);

}  // namespace trivium::nn
