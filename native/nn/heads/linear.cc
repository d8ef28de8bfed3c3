#include <torch/nn/modules/linear.h>

#include "nn/blocks/precision.h"
#include "nn/heads/common.h"
#include "nn/heads/heads.h"

namespace trivium::nn {
namespace {

class LinearHead : public Module {
 public:
  LinearHead(int64_t in_features, int64_t out_features) {
    fc_ = register_module("fc", torch::nn::Linear(in_features, out_features));
  }

  torch::Tensor forward(const torch::Tensor& features) override { return widen(fc_->forward(features)); }

 private:
  torch::nn::Linear fc_{nullptr};
};

}  // namespace

std::shared_ptr<Module> make_linear_head(const Options& options) {
  const int64_t in_features = required_size(options, "in_features");
  return std::make_shared<LinearHead>(in_features, required_size(options, "out_features"));
}

}  // namespace trivium::nn
