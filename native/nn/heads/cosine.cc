#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include "nn/blocks/precision.h"
#include "nn/heads/common.h"
#include "nn/heads/heads.h"

namespace trivium::nn {
namespace {

class CosineHead : public Module {
 public:
  CosineHead(int64_t in_features, int64_t out_features) {
    weight_ = register_parameter("weight", at::empty({out_features, in_features}).normal_(0.0, 0.01));
  }

  torch::Tensor forward(const torch::Tensor& features) override {
    FullPrecision full;  // the margin's derivative is steep near ±1, where bfloat16 has steps of 2⁻⁸
    return at::linear(unit_rows(features), unit_rows(weight_));
  }

 private:
  torch::Tensor weight_;  // [C, D]
};

}  // namespace

std::shared_ptr<Module> make_cosine_head(const Options& options) {
  const int64_t in_features = required_size(options, "in_features");
  return std::make_shared<CosineHead>(in_features, required_size(options, "out_features"));
}

}  // namespace trivium::nn
