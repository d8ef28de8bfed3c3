// Augmentation over uint8 batches: a plan is compiled once from the configuration and applied to a batch in one call.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "augment/kernels/rows.h"
#include "augment/operation.h"

namespace trivium::augment {

/// Operations in order, then normalisation, then erasures.
class Plan {
 public:
  /// mean, std: per RGB channel, of values scaled to 0–1. first_operation: the place that the first operation's draws are keyed by,
  /// for a plan that is the later part of another. Throws ConfigError when a pixel operation follows one after normalisation.
  Plan(std::vector<std::unique_ptr<Operation>> operations, std::vector<double> mean, std::vector<double> std, uint64_t seed,
       int64_t first_operation = 0);

  /// What a batch is made for.
  struct Call {
    uint32_t epoch = 0;
    int64_t views = 1;       // results for each image
    int64_t first_view = 0;  // the number of the first of them, for the draws
    bool stacked = false;    // images already are [views · N]: row i is view i / N of sample i % N
  };

  /// images uint8 [N, H, W, 3] (contiguous; [views · N, …] when stacked), sample_ids int64 [N] → float32 [views · N, 3, S, S]
  /// channels-last in memory, stacked view by view ([view0; view1]). The draws of an image depend on (seed, epoch, its id, view,
  /// place of the operation) alone. Runs over images with at::parallel_for. Throws ShapeError when images end with different sizes.
  torch::Tensor apply(const torch::Tensor& images, const torch::Tensor& sample_ids, const Call& call) const;

  /// The same before normalisation and without erasures: uint8 [views · N, S, S, 3]. With `draws`, what was done to each image.
  torch::Tensor apply_to_pixels(const torch::Tensor& images, const torch::Tensor& sample_ids, const Call& call,
                                std::vector<std::vector<Draw>>* draws = nullptr) const;

 private:
  template <typename Finish>
  torch::Tensor run(const torch::Tensor& images, const torch::Tensor& sample_ids, const Call& call, torch::ScalarType type,
                    std::vector<std::vector<Draw>>* draws, const Finish& finish) const;

  std::vector<std::unique_ptr<Operation>> operations_;
  ChannelPattern scale_, shift_;
  uint64_t seed_;
  uint32_t first_operation_;
};

}  // namespace trivium::augment
