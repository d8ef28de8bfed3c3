// Heads against golden values and finite differences; the classifier's outputs.
#include <ATen/autocast_mode.h>
#include <ATen/ops/randint.h>

#include "check.h"
#include "golden.h"
#include "nn/registry.h"

using namespace trivium;
using namespace trivium::nn;
using trivium::testing::filled;

static std::shared_ptr<Module> head(const std::string& kind) {
  std::map<std::string, OptionValue> values{{"in_features", 12.0}, {"out_features", kind == "projection" ? 6.0 : 4.0}};
  if (kind == "projection") values["hidden_features"] = 9.0;
  auto made = create_head(kind, Options(kind, values));
  torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : named_state(*made)) tensor.copy_(filled(name, tensor.sizes().vec()));
  return made;
}

static void agree_with_golden() {
  const auto expected = trivium::testing::golden("models.json")["heads"];
  const auto features = filled("input", {5, 12}) * 3;
  for (const std::string kind : {"projection", "cosine", "linear"}) {
    const auto output = head(kind)->forward(features);
    CHECK_NEAR(output.flatten(), expected[kind]["values"].tensor(), 1e-6);
    CHECK_TRUE(output.sizes().vec() == expected[kind]["shape"].integers());
  }
}

// Central differences of a weighted sum of outputs in float64, in every coordinate of the features and of every parameter.
static void gradients_match_finite_differences() {
  for (const std::string kind : {"projection", "cosine", "linear"}) {
    auto module = head(kind);
    module->to(torch::kDouble);
    auto features = (filled("input", {3, 12}, torch::kDouble) * 3).requires_grad_();
    const auto value = [&] {
      const auto output = module->forward(features);
      return (output * filled("weights", output.sizes().vec(), torch::kDouble)).sum();
    };
    value().backward();
    std::vector<torch::Tensor> leaves{features};
    for (const auto& parameter : module->parameters()) leaves.push_back(parameter);
    torch::NoGradGuard no_grad;
    for (auto& leaf : leaves) {
      auto numeric = torch::zeros_like(leaf);
      auto flat = leaf.view(-1);
      for (int64_t i = 0; i < leaf.numel(); ++i) {
        constexpr double kStep = 1e-6;
        const double kept = flat[i].item<double>();
        flat[i] = kept + kStep;
        const double above = value().item<double>();
        flat[i] = kept - kStep;
        const double below = value().item<double>();
        flat[i] = kept;
        numeric.view(-1)[i] = (above - below) / (2 * kStep);
      }
      CHECK_NEAR(leaf.grad(), numeric, 1e-6);
    }
  }
}

// Deng et al. 2020, eq. 4: the nearest of a class's K directions; rows of one class lie together.
static void sub_centers_take_the_nearest_direction() {
  auto made = create_head("cosine", Options("cosine", {{"in_features", 5.0}, {"out_features", 3.0}, {"sub_centers", 2.0}, {"seed", 3.0}}));
  made->to(torch::kDouble);
  const auto weight = made->parameters()[0];
  CHECK_TRUE((weight.sizes() == at::IntArrayRef{6, 5}));
  const auto features = filled("input", {4, 5}, torch::kDouble);
  const auto cosines = made->forward(features);
  CHECK_TRUE((cosines.sizes() == at::IntArrayRef{4, 3}));
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t c = 0; c < 3; ++c) {
      double nearest = -2;
      for (int64_t k = 0; k < 2; ++k) {
        const auto direction = weight[2 * c + k];
        nearest = std::max(nearest, ((features[i] * direction).sum() / (features[i].norm() * direction.norm())).item<double>());
      }
      CHECK_TRUE(std::abs(cosines[i][c].item<double>() - nearest) < 1e-12);
    }
  }
  cosines.sum().backward();
  // each feature moves one direction of a class, so that at least the three nearest of the first have a gradient, and no more than 6
  CHECK_TRUE((weight.grad().abs().sum(1) > 0).sum().item<int64_t>() >= 3);
  CHECK_ERROR(Config, "sub_centers between 1",
              create_head("cosine", Options("cosine", {{"in_features", 5.0}, {"out_features", 3.0}, {"sub_centers", 0.0}})));
}

static void outputs_stay_wide_under_autocast() {
  const auto features = (filled("input", {5, 12}) * 3);
  for (const std::string kind : {"projection", "cosine", "linear"}) {
    auto module = head(kind);
    const auto exact = module->forward(features);
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, torch::kBFloat16);
    const auto mixed = module->forward(features);
    at::autocast::set_autocast_enabled(at::kCPU, false);
    at::autocast::clear_cache();
    CHECK_TRUE(mixed.scalar_type() == torch::kFloat);
    CHECK_NEAR(mixed, exact, kind == "cosine" ? 0.0 : 2e-2);  // the cosine head runs in full precision
    if (kind == "projection") CHECK_NEAR(mixed.norm(2, 1), torch::ones({5}), 1e-6);
  }
}

static void edges() {
  const auto zeros = torch::zeros({2, 12});
  CHECK_NEAR(head("cosine")->forward(zeros), torch::zeros({2, 4}), 0.0);
  auto cosine = create_head("cosine", Options("cosine", {{"in_features", 500.0}, {"out_features", 400.0}, {"seed", 1.0}}));
  CHECK_TRUE(std::abs(cosine->parameters()[0].std().item<double>() - 0.01) < 1e-4);
  CHECK_TRUE(cosine->parameters().size() == 1);
  CHECK_ERROR(Config, "Did you mean cosine", create_head("cosin", Options("x", {})));
  CHECK_ERROR(Config, "expected a whole number for in_features but it is not set", create_head("linear", Options("linear head", {})));
  CHECK_ERROR(Config, "out_features between 1",
              create_head("linear", Options("linear head", {{"in_features", 4.0}, {"out_features", 0.0}})));
  CHECK_ERROR(Config, "unknown option hidden_features",
              create_head("linear", Options("linear head", {{"in_features", 4.0}, {"out_features", 2.0}, {"hidden_features", 2.0}})));
}

static std::shared_ptr<Backbone> backbone(double num_classes) {
  auto made = create_backbone("small_cnn", Options("small_cnn", {{"num_classes", num_classes}, {"width", 3.0}, {"seed", 2.0}}));
  made->eval();
  return made;
}

static void classifier_normalises_and_scales() {
  const std::vector<double> mean{0.4, 0.5, 0.6}, std{0.2, 0.3, 0.1};
  const auto images = torch::randint(0, 256, {3, 8, 8, 3}, torch::kByte);
  auto plain = backbone(0);
  auto cosine = head("cosine");
  Classifier classifier(plain, cosine, 16.0, mean, std);
  const auto outputs = classifier.forward(images);
  auto pixels = images.permute({0, 3, 1, 2}).to(torch::kFloat) / 255.0;
  const auto normalised = (pixels - torch::tensor({0.4F, 0.5F, 0.6F}).view({3, 1, 1})) / torch::tensor({0.2F, 0.3F, 0.1F}).view({3, 1, 1});
  const auto features = plain->forward(normalised);
  CHECK_NEAR(outputs[2], features, 1e-5);
  CHECK_NEAR(outputs[0], cosine->forward(features) * 16.0, 1e-5);
  CHECK_NEAR(outputs[1], torch::softmax(outputs[0], 1), 1e-6);

  Classifier own(backbone(5), nullptr, 1.0, mean, std);
  CHECK_TRUE((own.forward(images)[0].sizes() == at::IntArrayRef{3, 5}));
  const auto names = named_state(classifier);
  CHECK_TRUE(names.front().first == "backbone.stages.0.conv.weight");
  CHECK_ERROR(Shape, "expected uint8 images [N, S, S, 3]", classifier.forward(torch::zeros({1, 3, 8, 8})));
  CHECK_ERROR(Config, "expected std above 0", Classifier(plain, nullptr, 1.0, mean, {1, 0, 1}));
  CHECK_ERROR(Config, "expected mean of 3 channels but got 1", Classifier(plain, nullptr, 1.0, {0.5}, std));
  CHECK_ERROR(Config, "logit scale above 0", Classifier(plain, nullptr, 0.0, mean, std));
}

int main() {
  agree_with_golden();
  gradients_match_finite_differences();
  sub_centers_take_the_nearest_direction();
  outputs_stay_wide_under_autocast();
  edges();
  classifier_normalises_and_scales();
  return trivium::testing::finish("heads");
}
