#include <ATen/ops/relu.h>
#include <torch/nn/modules/linear.h>

#include "nn/blocks/precision.h"
#include "nn/heads/common.h"
#include "nn/heads/heads.h"

namespace trivium::nn {
namespace {

class ProjectionHead : public Module {
 public:
  ProjectionHead(int64_t in_features, int64_t hidden_features, int64_t out_features) {
    fc1_ = register_module("fc1", torch::nn::Linear(in_features, hidden_features));
    fc2_ = register_module("fc2", torch::nn::Linear(hidden_features, out_features));
  }

  torch::Tensor forward(const torch::Tensor& features) override { return unit_rows(fc2_->forward(at::relu(fc1_->forward(features)))); }

 private:
  torch::nn::Linear fc1_{nullptr}, fc2_{nullptr};
};

}  // namespace

std::shared_ptr<Module> make_projection_head(const Options& options) {
  const int64_t in_features = required_size(options, "in_features");
  const int64_t hidden = options.has("hidden_features") ? required_size(options, "hidden_features") : in_features;
  return std::make_shared<ProjectionHead>(in_features, hidden, required_size(options, "out_features"));
}

}  // namespace trivium::nn
