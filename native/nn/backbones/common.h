// What every backbone reads and does the same way.
#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/types.h>

#include <cstdint>

#include "core/options.h"

namespace trivium::nn {

struct CommonOptions {
  int64_t num_classes;  // 0: no classifier
  int64_t image_size;   // pixels, square
};

/// Reads num_classes (default 1000, timm's) and image_size. Throws ConfigError outside [0, 2²⁰] and [1, 2¹⁴].
CommonOptions read_common(const Options& options, int64_t default_image_size);

/// An integer option of at least 1 and at most `maximum`.
int64_t read_size(const Options& options, const std::string& key, int64_t fallback, int64_t maximum);

/// [N, D] → logits [N, C] in float32 at least; `pooled` itself when there is no classifier.
torch::Tensor classify_with(torch::nn::Linear& classifier, const torch::Tensor& pooled);

}  // namespace trivium::nn
