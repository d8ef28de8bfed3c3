// Supervised contrastive loss in memory linear in the batch: tiles of the similarity matrix, made twice (once where one tile is all
// of it) and never kept.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace trivium::kernels {

/// What a batch is contrasted with beside itself: embeddings of earlier batches, constants. Both undefined: nothing.
struct ContrastMemory {
  torch::Tensor embeddings;  // [M, D]
  torch::Tensor labels;      // [M] int64
};

/// Khosla et al. 2020, eq. 2: the mean, over the rows i of `embeddings` [N, D] that have a positive, of
///   log Σ_{a ≠ i} exp(z_i · z_a / T) − 1 / |P(i)| · Σ_{p ∈ P(i)} z_i · z_p / T
/// where a goes over the batch without i and the memory, and P(i) are those with the label of i. Scalar [] of the type of `embeddings`, 0 where
/// no row has a positive. Gradients flow into both sides of a product of the batch with itself, and into no memory.
///
/// float32 or float64 on any device, computed in that type also inside autocast. Beside the gradient of the size of `embeddings` it takes a
/// few tiles of tile × tile and a few vectors of N. A batch of one tile without a memory makes its gradient in the forward pass and keeps
/// it.
/// tile: rows and columns of a tile; 0 chooses by device.
torch::Tensor supcon_loss(const torch::Tensor& embeddings, const torch::Tensor& labels, double temperature, const ContrastMemory& memory = {},
                          int64_t tile = 0);

}  // namespace trivium::kernels
