#include <ATen/ops/amax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include "nn/blocks/precision.h"
#include "nn/heads/common.h"
#include "nn/heads/heads.h"

namespace trivium::nn {
namespace {

class CosineHead : public Module {
 public:
  CosineHead(int64_t in_features, int64_t out_features, int64_t sub_centers) : out_features_(out_features), sub_centers_(sub_centers) {
    weight_ = register_parameter("weight", at::empty({out_features * sub_centers, in_features}).normal_(0.0, 0.01));
  }

  torch::Tensor forward(const torch::Tensor& features) override {
    FullPrecision full;  // the margin's derivative is steep near ±1, where bfloat16 has steps of 2⁻⁸
    const auto cosines = at::linear(unit_rows(features), unit_rows(weight_));
    if (sub_centers_ == 1) return cosines;
    return cosines.reshape({-1, out_features_, sub_centers_}).amax(2);
  }

 private:
  int64_t out_features_, sub_centers_;
  torch::Tensor weight_;  // [C·K, D], the K directions of a class one after the other
};

}  // namespace

std::shared_ptr<Module> make_cosine_head(const Options& options) {
  const int64_t in_features = required_size(options, "in_features");
  const int64_t sub_centers = options.has("sub_centers") ? required_size(options, "sub_centers") : 1;
  return std::make_shared<CosineHead>(in_features, required_size(options, "out_features"), sub_centers);
}

}  // namespace trivium::nn
