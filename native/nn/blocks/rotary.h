// Rotary position embeddings in two dimensions: Su et al. 2021, arXiv 2104.09864, as EVA-02 (Fang et al. 2023, arXiv 2303.11331, section 2)
// and DINOv3 (Siméoni et al. 2025, arXiv 2508.10104, section 3.1) use them. No parameters.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "nn/blocks/tokens.h"

namespace trivium::nn {

struct RotaryShape {
  enum class Grid {
    None,
    Reference,  // EVA-02: patch i of n stands at i · reference / n, whatever n is
    Centred,    // DINOv3: at 2 (i + ½) / n − 1
  };
  Grid grid = Grid::None;
  double reference = 16;       // patches along a side at which the frequencies were learned
  double temperature = 10000;  // ratio of the longest to the shortest period
  bool halves = false;         // element i turns with i + d/2 (DINOv3); otherwise with its neighbour (EVA-02)
};

/// One for a network. d is the width of a head and divisible by 4: the first d/4 angles are of the row, the others of the column.
class Rotary {
 public:
  Rotary() = default;
  /// `side`: patches along a side of the image.
  Rotary(const RotaryShape& shape, int64_t head_width, int64_t side);

  bool used() const { return positions_.defined(); }

  /// Sets positions and rotation of the patches of a whole image, on the tokens' device.
  void start(TokenState& state, at::Device device);

  /// Computes the rotation anew, after the positions changed.
  void turn(TokenState& state) const;

  /// Queries or keys [N, H, P + T, d]: the T last are turned by their positions, the prefix stays.
  torch::Tensor apply(const torch::Tensor& heads, const TokenState& state) const;

 private:
  bool halves_ = false;
  torch::Tensor positions_;    // [1, T, 2]
  torch::Tensor frequencies_;  // [d / 4], radians per unit of position
  torch::Tensor sine_, cosine_;
};

}  // namespace trivium::nn
