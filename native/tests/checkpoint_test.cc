// Gradient checkpointing against the same network without it: values, gradients, draws, statistics, and what is kept.
#include <ATen/autocast_mode.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>

#include <set>

#include "check.h"
#include "nn/adapters/attach.h"
#include "nn/blocks/chain.h"
#include "nn/blocks/checkpoint.h"
#include "nn/blocks/conv_norm.h"
#include "nn/blocks/linear.h"
#include "nn/registry.h"

using namespace trivium;
using namespace trivium::nn;

namespace {

/// Convolution, batch norm and dropout: statistics and draws in one link.
class NoisyLink : public Module {
 public:
  NoisyLink() { conv_ = register_module("conv", std::make_shared<ConvNorm>(4, 4)); }
  torch::Tensor forward(const torch::Tensor& x) override {
    const auto hidden = conv_->forward(x);
    inner = hidden.storage().getWeakStorageImpl();
    return at::dropout(hidden, 0.5, is_training()) * 1.5 + x;
  }
  c10::weak_intrusive_ptr<c10::StorageImpl> inner{c10::intrusive_ptr<c10::StorageImpl>()};

 private:
  std::shared_ptr<ConvNorm> conv_;
};

std::shared_ptr<Chain> noisy_chain(bool checkpoint) {
  torch::manual_seed(3);
  auto chain = std::make_shared<Chain>();
  for (int i = 0; i < 3; ++i) chain->append(std::make_shared<NoisyLink>());
  chain->set_checkpointing(checkpoint);
  return chain;
}

class Bf16 {
 public:
  Bf16() {
    at::autocast::increment_nesting();
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, torch::kBFloat16);
  }
  ~Bf16() {
    at::autocast::set_autocast_enabled(at::kCPU, false);
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  }
};

/// Two steps of the chain: the outputs, every gradient, every buffer, and the next random number.
std::vector<torch::Tensor> two_steps(bool checkpoint, bool image_gradient, bool half = false) {
  const auto chain = noisy_chain(checkpoint);
  torch::manual_seed(5);
  const auto images = torch::randn({3, 4, 8, 8}).requires_grad_(image_gradient);
  std::vector<torch::Tensor> seen;
  for (int step = 0; step < 2; ++step) {
    torch::Tensor loss;
    if (half) {
      const Bf16 autocast;
      loss = chain->forward(images).to(torch::kFloat).square().mean();
    } else {
      loss = chain->forward(images).square().mean();
    }
    loss.backward();
    seen.push_back(loss.detach());
  }
  if (image_gradient) seen.push_back(images.grad());
  for (const auto& parameter : chain->parameters()) seen.push_back(parameter.grad());
  for (const auto& [name, value] : named_state(*chain)) seen.push_back(value.detach());
  seen.push_back(torch::rand({2}));
  return seen;
}

void expect_equal(const std::vector<torch::Tensor>& actual, const std::vector<torch::Tensor>& expected, double tolerance) {
  CHECK_TRUE(actual.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    CHECK_TRUE(actual[i].defined() && expected[i].defined());
    if (!actual[i].defined() || !expected[i].defined()) continue;
    CHECK_NEAR(actual[i], expected[i], tolerance);
  }
}

}  // namespace

static void everything_is_as_without() {
  expect_equal(two_steps(true, true), two_steps(false, true), 1e-6);
  // A stem that takes no gradient: the first link's parameters still receive theirs.
  expect_equal(two_steps(true, false), two_steps(false, false), 1e-6);
  expect_equal(two_steps(true, true, true), two_steps(false, true, true), 1e-6);
}

static void only_the_input_is_kept() {
  const auto kept = [](bool checkpoint) {
    const auto chain = noisy_chain(checkpoint);
    const auto loss = chain->forward(torch::randn({2, 4, 8, 8}).requires_grad_()).sum();
    int64_t count = 0;
    for (const auto& link : chain->links()) count += !std::dynamic_pointer_cast<NoisyLink>(link)->inner.expired();
    return count;
  };
  CHECK_TRUE(kept(false) == 3);
  CHECK_TRUE(kept(true) == 0);
}

static void evaluation_runs_straight_through() {
  const auto chain = noisy_chain(true);
  chain->eval();
  const auto result = chain->forward(torch::randn({2, 4, 8, 8}).requires_grad_());
  CHECK_TRUE(result.grad_fn() != nullptr && result.grad_fn()->name().find("Checkpoint") == std::string::npos);
  chain->train();
  torch::NoGradGuard no_grad;
  CHECK_TRUE(!chain->forward(torch::randn({2, 4, 8, 8})).requires_grad());
}

static void frozen_links_cost_nothing() {
  const auto chain = noisy_chain(true);
  for (auto& parameter : chain->parameters()) parameter.requires_grad_(false);
  CHECK_TRUE(!chain->forward(torch::randn({2, 4, 8, 8})).requires_grad());
}

// autocast keeps low-precision copies of weights for the length of a pass; one made without a gradient must not reach the other use.
static void a_weight_used_outside_too_gets_both_gradients() {
  const auto gradient = [](bool checkpoint) {
    torch::manual_seed(1);
    const auto layer = std::make_shared<Linear>(6, 6);
    const auto x = torch::randn({3, 6}).requires_grad_();
    torch::Tensor loss;
    {
      const Bf16 autocast;
      const auto first = checkpointed(checkpoint, layer, x);
      loss = (layer->forward(first) + layer->forward(x)).to(torch::kFloat).square().sum();
    }
    loss.backward();
    return layer->weight.grad();
  };
  CHECK_NEAR(gradient(true), gradient(false), 2e-2);
  CHECK_TRUE(gradient(true).abs().sum().item<double>() > 0);
}

static void the_owner_lives_as_long_as_the_graph() {
  auto layer = std::make_shared<Linear>(4, 4);
  const auto weight = layer->weight;
  const auto loss = checkpointed(true, layer, torch::ones({2, 4})).sum();
  const std::weak_ptr<Linear> alive = layer;
  layer.reset();
  CHECK_TRUE(!alive.expired());
  loss.backward();
  CHECK_NEAR(weight.grad(), torch::full({4, 4}, 2.0), 1e-6);
}

static void second_gradients_are_refused() {
  const auto layer = std::make_shared<Linear>(4, 4);
  const auto x = torch::ones({2, 4}).requires_grad_();
  const auto loss = checkpointed(true, layer, x).square().sum();
  CHECK_ERROR(Config, "first gradients only", torch::autograd::grad({loss}, {x}, {}, true, /*create_graph=*/true));
}

/// Whether some node of the graph behind `result` runs a part of the network again.
static bool runs_again(const torch::Tensor& result) {
  std::set<torch::autograd::Node*> seen;
  std::vector<torch::autograd::Node*> open{result.grad_fn().get()};
  while (!open.empty()) {
    auto* node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    if (node->name().find("Checkpoint") != std::string::npos) return true;
    for (const auto& edge : node->next_edges()) open.push_back(edge.function.get());
  }
  return false;
}

// Statistics, draws and gradients of two steps with all blocks that a network takes, with and without the option; adapters over a frozen
// network too, where the first block's input takes no gradient.
static void every_family_computes_the_same() {
  const std::set<std::string> plain{"small_cnn", "cifar_cnn"}, convolutions{"small_cnn", "cifar_cnn", "resnet", "cifar_resnet"};
  for (const auto& entry : backbones()) {
    if (!entry.name.ends_with("_test") && entry.name != "small_cnn") continue;
    for (const bool adapted : {false, true}) {
      if (adapted && convolutions.contains(entry.family)) continue;
      const auto train = [&](bool checkpoint) {
        std::map<std::string, OptionValue> options{{"num_classes", 3.0}, {"image_size", 32.0}, {"seed", 5.0}, {"use_cbam", true},
                                                   {"use_mixstyle", true}, {"mixstyle_p", 1.0}, {"gradient_checkpointing", checkpoint}};
        if (!plain.contains(entry.family)) options.insert({"drop_path_rate", 0.4});
        const auto backbone = create_backbone(entry.name, Options(entry.name, options));
        if (adapted) {
          attach_adapters(*backbone, Options(entry.name, {{"lora_rank", 2.0}, {"lora_dropout", 0.3}, {"use_ia3", true}, {"seed", 6.0}}));
        }
        backbone->train();
        torch::manual_seed(7);
        const auto images = torch::randn({4, 3, 32, 32});
        std::vector<torch::Tensor> seen;
        for (int step = 0; step < 2; ++step) {
          const auto result = backbone->forward(images);
          trivium::testing::report(runs_again(result) == checkpoint, __FILE__, __LINE__, entry.name + " runs its blocks as without the option");
          result.square().sum().backward();
          seen.push_back(result.detach());
        }
        for (const auto& parameter : backbone->parameters()) {
          if (parameter.requires_grad()) seen.push_back(parameter.grad());
        }
        for (const auto& [name, value] : named_state(*backbone)) seen.push_back(value.detach());
        seen.push_back(torch::rand({2}));
        return seen;
      };
      expect_equal(train(true), train(false), 1e-5);
    }
  }
}

int main() {
  everything_is_as_without();
  only_the_input_is_kept();
  evaluation_runs_straight_through();
  frozen_links_cost_nothing();
  a_weight_used_outside_too_gets_both_gradients();
  the_owner_lives_as_long_as_the_graph();
  second_gradients_are_refused();
  every_family_computes_the_same();
  return trivium::testing::finish("checkpoint");
}
