// What every backbone reads and does the same way.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "nn/blocks/linear.h"

namespace trivium::nn {

inline const std::vector<double> kImageNetMean{0.485, 0.456, 0.406};
inline const std::vector<double> kImageNetStd{0.229, 0.224, 0.225};

struct CommonOptions {
  int64_t num_classes;  // 0: no classifier
  int64_t image_size;   // pixels, square
};

/// Reads num_classes (default 1000, timm's) and image_size. Throws ConfigError outside [0, 2²⁰] and [1, 2¹⁴].
CommonOptions read_common(const Options& options, int64_t default_image_size);

/// An integer option of at least 1 and at most `maximum`.
int64_t read_size(const Options& options, const std::string& key, int64_t fallback, int64_t maximum);

/// [N, D] → logits [N, C] in float32 at least; `pooled` itself when there is no classifier.
torch::Tensor classify_with(const std::shared_ptr<Linear>& classifier, const torch::Tensor& pooled);

/// {"blocks.0"}, {"blocks.1"}, …: the parts of a Chain, for Backbone::layers.
void append_parts(std::vector<std::vector<std::string>>& parts, const std::string& name, size_t count);

}  // namespace trivium::nn
