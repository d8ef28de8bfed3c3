// TokenLearner: a softmax over space behind a layer norm, the prefix left alone, positions and sizes of merged tokens.
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>

#include "check.h"
#include "nn/blocks/token_learner.h"
#include "transformers.h"

using namespace trivium;
using namespace trivium::nn;
using trivium::testing::kWidth;
using trivium::testing::network;
using trivium::testing::start;

static void learned_tokens() {
  torch::manual_seed(6);
  TokenLearner learner(kWidth, 3);
  const auto image = torch::randn({2, 10, kWidth});
  const auto weights = learner.weights(image, {});
  CHECK_TRUE((weights.sizes() == at::IntArrayRef{2, 3, 10}));
  CHECK_NEAR(weights.sum(2), torch::ones({2, 3}), 1e-6);  // over space, not over the learned tokens
  CHECK_TRUE((weights.sum(1) - 1).abs().max().item<double>() > 1e-3);
  CHECK_NEAR(learner.forward(image), torch::matmul(weights, image), 1e-6);
  // Scaled input, same weights: there is a layer norm in front.
  CHECK_NEAR(learner.weights(image * 50, {}), weights, 1e-3);
  const auto constant = torch::randn({1, 1, kWidth}).expand({2, 10, kWidth});
  CHECK_NEAR(learner.forward(constant), constant.slice(1, 0, 3), 1e-5);

  // The prefix passes, and is not looked at.
  const auto tokens = torch::cat({torch::randn({2, 2, kWidth}), image}, 1);
  auto state = start(2, 10);
  const auto places = state.positions;
  const auto result = learner.forward(tokens, state);
  CHECK_TRUE(result.slice(1, 0, 2).equal(tokens.slice(1, 0, 2)));
  CHECK_NEAR(result.slice(1, 2), learner.forward(image), 1e-6);
  CHECK_NEAR(state.positions, torch::matmul(weights, places), 1e-6);

  // A token of two patches weighs as two.
  TokenState merged;
  merged.sizes = torch::ones({2, 9, 1});
  merged.sizes.select(1, 4).fill_(2);
  const auto twice = torch::cat({image.slice(1, 0, 5), image.slice(1, 4, 9)}, 1);
  CHECK_NEAR(learner.forward(image.slice(1, 0, 9), merged), learner.forward(twice), 1e-5);
  CHECK_TRUE(!merged.sizes.defined());
}

static void networks_learn_tokens() {
  for (const std::string name : {"vit_test", "dinov2_test", "dinov3_test", "eva02_test", "eva02_packed_test"}) {
    const auto model = network(name, {{"token_learner_tokens", 3.0}, {"token_merging_ratio", 0.25}});
    const auto plain = network(name);
    const int64_t side = plain->preprocessing().image_size;
    const auto images = torch::randn({2, 3, side, side});
    const int64_t prefix = plain->forward_features(images).size(1) - 16;
    CHECK_TRUE(model->forward_features(images).size(1) == prefix + 3);
    CHECK_TRUE((model->merged() == std::vector<int64_t>{4, 0}));  // a quarter of 16 patches, all before the learner
    // timm's tensors come first and under timm's names; the learner's are new.
    const auto own = model->named_parameters(), timm = plain->named_parameters();
    CHECK_TRUE(own.size() == timm.size() + 6);
    for (size_t i = 0; i < timm.size(); ++i) CHECK_TRUE(own[i].key() == timm[i].key() && own[i].value().equal(timm[i].value()));
    model->forward(images).square().sum().backward();
    for (const auto& entry : own) {
      trivium::testing::report(entry.value().grad().defined() && entry.value().grad().isfinite().all().item<bool>(), __FILE__, __LINE__,
                               name + ": no finite gradient for " + entry.key());
    }
  }
}

int main() {
  at::set_num_threads(1);
  learned_tokens();
  networks_learn_tokens();
  return trivium::testing::finish("token_learner");
}
