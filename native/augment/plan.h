// Augmentation over uint8 batches: a plan is compiled once from the configuration and applied to a batch in one call.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "core/rng.h"

namespace trivium::augment {

/// One image while it travels through a plan: uint8, height × width × 3, row-major.
struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> pixels;
};

/// One operation on one image. Stateless; every random number comes from the generator it is handed.
class Operation {
 public:
  virtual ~Operation() = default;
  virtual void apply(Image& image, Image& scratch, Rng& rng) const = 0;
};

struct OperationEntry {
  std::string name;  // "random_crop", "horizontal_flip", "resize", "center_crop", …
  std::unique_ptr<Operation> (*create)(const Options&);
};
const std::vector<OperationEntry>& operations();

/// The operation that options.owner() names. Throws ConfigError for an unknown name and for an option nobody reads.
std::unique_ptr<Operation> create_operation(const Options& options);

/// Operations in order, then normalisation.
class Plan {
 public:
  /// mean, std: per RGB channel, of values scaled to 0–1.
  Plan(std::vector<std::unique_ptr<Operation>> operations, std::vector<double> mean, std::vector<double> std, uint64_t seed);

  /// images uint8 [N, H, W, 3] (contiguous), sample_ids int64 [N] → float32 [views · N, 3, S, S] channels-last in memory,
  /// stacked view by view ([view0; view1]). The draws of an image depend on (seed, epoch, its id, view, operation index) alone.
  /// Runs over images with at::parallel_for. Throws ShapeError when images end with different sizes.
  torch::Tensor apply(const torch::Tensor& images, const torch::Tensor& sample_ids, uint32_t epoch, int64_t views) const;

 private:
  std::vector<std::unique_ptr<Operation>> operations_;
  std::vector<float> scale_, shift_;
  uint64_t seed_;
};

}  // namespace trivium::augment
