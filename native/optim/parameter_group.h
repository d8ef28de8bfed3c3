// Parameters that share a learning-rate scale, a weight decay and the rules below.
#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

namespace trivium::optim {

struct ParameterGroup {
  std::vector<std::string> names;
  std::vector<torch::Tensor> parameters;
  double learning_rate_scale = 1.0;  // layer-wise decay; multiplied with the scheduled rate
  double weight_decay = 0.0;
  bool centralize = false;      // gradients lose their mean over dimensions 1.. before each update
  bool adaptive_clip = true;    // adaptive clipping acts on it; false for a classifier
  bool orthogonalize = false;   // Muon: matrices that it orthogonalises; the others get AdamW's update
};

}  // namespace trivium::optim
