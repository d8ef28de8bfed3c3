#include <ATen/ops/softmax.h>
#include <torch/types.h>

#include <utility>

#include "core/error.h"
#include "nn/blocks/precision.h"
#include "nn/registry.h"

namespace trivium::nn {
namespace {

torch::Tensor channel_constant(const std::vector<double>& values, const char* name, bool positive) {
  if (values.size() != 3) {
    throw error(ErrorKind::Config, "classifier: expected ", name, " of 3 channels but got ", values.size());
  }
  for (const double value : values) {
    if (positive && !(value > 0)) throw error(ErrorKind::Config, "classifier: expected ", name, " above 0 but got ", value);
  }
  return torch::tensor(values, torch::kDouble).to(torch::kFloat).view({1, 3, 1, 1});
}

}  // namespace

Classifier::Classifier(std::shared_ptr<Backbone> backbone_in, std::shared_ptr<trivium::nn::Module> head_in, double logit_scale,
                       std::vector<double> mean, std::vector<double> std)
    : logit_scale_(logit_scale) {
  if (!(logit_scale > 0)) throw error(ErrorKind::Config, "classifier: expected a logit scale above 0 but got ", logit_scale);
  backbone = register_module("backbone", std::move(backbone_in));
  if (head_in) head = register_module("head", std::move(head_in));
  mean_ = register_buffer("mean", channel_constant(mean, "mean", false));
  std_ = register_buffer("std", channel_constant(std, "std", true));
}

std::vector<torch::Tensor> Classifier::forward(const torch::Tensor& images) {
  if (images.dim() != 4 || images.size(3) != 3 || images.scalar_type() != torch::kByte) {
    throw error(ErrorKind::Shape, "classifier: expected uint8 images [N, S, S, 3] but got ", images.scalar_type(), " ", images.sizes());
  }
  const auto pixels = images.permute({0, 3, 1, 2}).to(torch::kFloat) / 255.0;  // [N, 3, S, S], channels-last by its strides
  const auto features = backbone->pool(backbone->forward_features((pixels - mean_) / std_));  // [N, D]
  auto logits = widen(head ? head->forward(features) : backbone->classify(features));         // [N, C]
  if (logit_scale_ != 1.0) logits = logits * logit_scale_;
  return {logits, at::softmax(logits, 1), widen(features)};
}

}  // namespace trivium::nn
