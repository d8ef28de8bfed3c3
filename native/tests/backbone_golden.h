// Comparing a backbone with its golden values: names, shapes, sizes, preprocessing, and the forward pass on weights that both sides
// compute (golden.h, tests/golden/fill.py).
#pragma once

#include <map>
#include <string>

#include "check.h"
#include "golden.h"
#include "nn/registry.h"

namespace trivium::testing {

inline std::string described(const torch::OrderedDict<std::string, torch::Tensor>& tensors) {
  std::string text;
  for (const auto& entry : tensors) {
    text += (text.empty() ? "" : "\n") + entry.key() + ":[";
    for (int64_t i = 0; i < entry.value().dim(); ++i) text += (i > 0 ? "," : "") + std::to_string(entry.value().size(i));
    text += "]";
  }
  return text;
}

inline void fill(torch::nn::Module& module) {
  torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : nn::named_state(module)) tensor.copy_(filled(name, tensor.sizes().vec()));
}

inline void expect_sampled(const torch::Tensor& actual, const Json& expected, const std::string& what) {
  const auto shape = expected["shape"].integers();
  const bool same_shape = actual.sizes().vec() == shape;
  const double off = !same_shape ? INFINITY
                                 : difference(actual.contiguous().flatten().slice(0, 0, {}, expected["step"].integer()),
                                                                expected["values"].tensor());
  report(off < 1e-4, __FILE__, __LINE__, what + " is off by " + std::to_string(off));
}

/// Of the sum of the logits times fixed numbers: the input's, and of each parameter the product with fixed numbers, in order.
inline void agrees_with_gradients(nn::Backbone& backbone, const torch::Tensor& images, const Json& expected, const std::string& name) {
  const auto input = images.detach().clone().requires_grad_();
  const auto logits = backbone.forward(input);
  (logits * filled("cotangent", logits.sizes().vec())).sum().backward();
  expect_sampled(input.grad(), expected["input"], name + " input gradient");
  std::vector<double> products;
  double largest = 0;
  for (const auto& entry : backbone.named_parameters()) {
    const auto& parameter = entry.value();
    const auto gradient = parameter.grad().defined() ? parameter.grad() : torch::zeros_like(parameter);
    products.push_back((gradient.to(torch::kDouble) * filled("probe " + entry.key(), parameter.sizes().vec()).to(torch::kDouble)).sum().item<double>());
    largest = std::max(largest, std::abs(products.back()));
  }
  const auto actual = torch::tensor(products, torch::kDouble), wanted = expected["parameters"].tensor();
  const double off = actual.sizes() == wanted.sizes() ? ((actual - wanted).abs().max() / (1 + largest)).item<double>() : INFINITY;
  report(off < 1e-4, __FILE__, __LINE__, name + " parameter gradients are off by " + std::to_string(off));
}

inline Options options_of(const std::string& name, const Json& given, int64_t image_size) {
  std::map<std::string, OptionValue> values{{"num_classes", 7.0}, {"image_size", static_cast<double>(image_size)}};
  for (const auto& [key, value] : given.map) {
    if (value.kind == Json::Kind::Boolean) values[key] = value.boolean;
    if (value.kind == Json::Kind::Number) values[key] = value.number;
    if (value.kind == Json::Kind::Text) values[key] = value.text;
  }
  return Options(name, values);
}

inline void agrees_with_golden(const Json& expected) {
  const std::string name = expected["name"].text;
  const int64_t size = expected["image_size"].integer();
  auto backbone = nn::create_backbone(name, options_of(name, expected["options"], size));
  const auto names = crc32(described(backbone->named_parameters()));
  report(names == expected["parameter_names"].integer(), __FILE__, __LINE__, name + ": other parameter names or shapes");
  const auto buffers = crc32(described(backbone->named_buffers()));
  report(buffers == expected["buffer_names"].integer(), __FILE__, __LINE__, name + ": other buffer names or shapes");
  int64_t count = 0;
  for (const auto& parameter : backbone->parameters()) count += parameter.numel();
  CHECK_TRUE(count == expected["parameters"].integer());

  const auto& preprocessing = backbone->preprocessing();
  CHECK_TRUE(preprocessing.image_size == size);
  if (const auto& timm = expected["preprocessing"]; timm.kind == Json::Kind::Map) {
    CHECK_NEAR(torch::tensor(preprocessing.mean, torch::kDouble), timm["mean"].tensor(), 1e-9);
    CHECK_NEAR(torch::tensor(preprocessing.std, torch::kDouble), timm["std"].tensor(), 1e-9);
    CHECK_TRUE(preprocessing.interpolation == timm["interpolation"].text);
    CHECK_TRUE(preprocessing.crop_fraction == timm["crop_fraction"].number);
  }

  fill(*backbone);
  backbone->eval();
  const auto images = filled("input", {2, 3, size, size}) * 5;
  agrees_with_gradients(*backbone, images, expected["gradients"], name);
  torch::NoGradGuard no_grad;
  const auto features = backbone->forward_features(images);
  const auto pooled = backbone->pool(features);
  expect_sampled(features, expected["features"], name + " features");
  expect_sampled(pooled, expected["pooled"], name + " pooled");
  expect_sampled(backbone->forward(images), expected["logits"], name + " logits");
  CHECK_TRUE(pooled.size(1) == backbone->num_features());
}

}  // namespace trivium::testing
