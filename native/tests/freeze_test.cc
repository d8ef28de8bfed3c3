// Freezing a part of a network, the patterns that name one, and batch norms of frozen parts.
#include "nn/freeze.h"

#include <ATen/Parallel.h>
#include <ATen/ops/randn.h>

#include <set>

#include "check.h"
#include "nn/patterns.h"
#include "nn/registry.h"

using namespace trivium;
using namespace trivium::nn;

static std::shared_ptr<Backbone> resnet() {
  return create_backbone("resnet_test", Options("resnet_test", {{"num_classes", 3.0}, {"image_size", 32.0}, {"seed", 1.0}}));
}

static std::set<std::string> frozen_names(const Backbone& backbone) {
  std::set<std::string> frozen;
  for (const auto& entry : backbone.named_parameters()) {
    if (!entry.value().requires_grad()) frozen.insert(entry.key());
  }
  return frozen;
}

static void patterns_name_whole_parts() {
  CHECK_TRUE(names("qkv", "blocks.0.attn.qkv") && names("attn.qkv", "blocks.0.attn.qkv") && names("blocks.0.attn.qkv", "blocks.0.attn.qkv"));
  CHECK_TRUE(!names("v", "blocks.0.attn.qkv") && !names("attn", "blocks.0.attn.qkv") && !names("x.blocks.0.attn.qkv", "blocks.0.attn.qkv"));
  CHECK_TRUE(names("attn.*", "blocks.0.attn.qkv") && names("blocks.1?.attn.*", "blocks.11.attn.proj") && names("fc1_?", "mlp.fc1_g"));
  CHECK_TRUE(!names("blocks.1?.attn.*", "blocks.1.attn.proj") && !names("attn.*", "attn.cpb_mlp.0") && names("*v", "attn.qkv"));
  CHECK_TRUE(covers("blocks.1", "blocks.1.norm1.weight") && !covers("blocks.1", "blocks.10.norm1.weight"));
  CHECK_TRUE(covers("norm1", "blocks.1.norm1.weight") && covers("weight", "blocks.1.norm1.weight") && !covers("norm", "blocks.1.norm1.weight"));
  CHECK_TRUE(is_under("blocks.1", "blocks.1") && is_under("blocks.1", "blocks.1.x") && !is_under("blocks.1", "blocks.11.x"));
}

static void stages_freeze_from_the_input() {
  auto backbone = resnet();
  const auto names = freeze(*backbone, {2, {}});
  const auto frozen = frozen_names(*backbone);
  CHECK_TRUE(std::set<std::string>(names.begin(), names.end()) == frozen && !frozen.empty());
  for (const auto& entry : backbone->named_parameters()) {
    const auto& name = entry.key();
    const bool expected = name.rfind("conv1.", 0) == 0 || name.rfind("bn1.", 0) == 0 || name.rfind("layer1.", 0) == 0;
    trivium::testing::report(frozen.contains(name) == expected, __FILE__, __LINE__, name);
  }
  CHECK_TRUE(freeze(*backbone, {2, {}}).empty());  // what is frozen is not frozen again: a thaw must not melt more than its own
  CHECK_TRUE(freeze(*backbone, {0, {}}).empty() && frozen_names(*backbone) == frozen);
  set_trainable(*backbone, names, true);
  CHECK_TRUE(frozen_names(*backbone).empty());
}

static void patterns_freeze_anywhere() {
  auto backbone = resnet();
  freeze(*backbone, {std::nullopt, {"layer2", "bn2"}});
  for (const auto& name : frozen_names(*backbone)) CHECK_TRUE(covers("layer2", name) || covers("bn2", name));
  CHECK_TRUE(frozen_names(*backbone).contains("layer3.0.bn2.bias") && frozen_names(*backbone).contains("layer2.0.conv1.weight"));
  freeze(*backbone, {1, {"fc"}});
  CHECK_TRUE(frozen_names(*backbone).contains("fc.weight") && frozen_names(*backbone).contains("conv1.weight"));
}

static void everything_is_the_network_without_its_classifier() {
  auto backbone = resnet();
  freeze(*backbone, {});
  for (const auto& entry : backbone->named_parameters()) CHECK_TRUE(entry.value().requires_grad() == (entry.key().rfind("fc.", 0) == 0));
}

static void frozen_batch_norms_keep_their_statistics() {
  auto backbone = resnet();
  backbone->train();
  const auto names = freeze(*backbone, {2, {}});
  const auto images = torch::randn({4, 3, 32, 32});
  const auto run = [&] {
    std::map<std::string, torch::Tensor> before;
    for (const auto& entry : backbone->named_buffers()) before[entry.key()] = entry.value().clone();
    backbone->forward(images);
    std::set<std::string> changed;
    for (const auto& entry : backbone->named_buffers()) {
      if (!entry.value().equal(before[entry.key()])) changed.insert(entry.key());
    }
    return changed;
  };
  for (int round = 0; round < 2; ++round) {
    const auto changed = run();
    CHECK_TRUE(!changed.contains("bn1.running_mean") && !changed.contains("layer1.0.bn1.num_batches_tracked"));
    CHECK_TRUE(changed.contains("layer2.0.bn1.running_mean") && changed.contains("layer4.0.bn2.running_var"));
    backbone->eval();
    CHECK_TRUE(run().empty());
    set_training(*backbone, true);  // what an epoch begins with: the frozen ones stay in evaluation
  }
  set_trainable(*backbone, names, true);
  CHECK_TRUE(run().contains("bn1.running_mean"));
  backbone->eval();
  set_trainable(*backbone, names, false);
  CHECK_TRUE(!backbone->is_training() && run().empty());
}

static void a_gradient_from_before_is_dropped() {
  auto backbone = resnet();
  backbone->forward(torch::randn({4, 3, 32, 32})).sum().backward();
  CHECK_TRUE(backbone->named_parameters()["conv1.weight"].grad().defined());
  freeze(*backbone, {1, {}});
  CHECK_TRUE(!backbone->named_parameters()["conv1.weight"].grad().defined());
  CHECK_TRUE(backbone->named_parameters()["layer1.0.conv1.weight"].grad().defined());
}

static void what_does_not_exist_is_refused() {
  auto backbone = resnet();
  CHECK_ERROR(Config, "freeze.stages: expected 0 to 5, the stages of this network, but got 6", freeze(*backbone, {6, {}}));
  CHECK_ERROR(Config, "but got -1", freeze(*backbone, {-1, {}}));
  CHECK_ERROR(Config, "\"layr1\" covers no parameter of this network. Did you mean \"layer1\"?", freeze(*backbone, {1, {"layr1"}}));
  CHECK_ERROR(Config, "expected a parameter of the network but got \"x\"", set_trainable(*backbone, {"conv1.weight", "x"}, false));
  CHECK_TRUE(frozen_names(*backbone).empty());
}

int main() {
  at::set_num_threads(1);
  patterns_name_whole_parts();
  stages_freeze_from_the_input();
  patterns_freeze_anywhere();
  everything_is_the_network_without_its_classifier();
  frozen_batch_norms_keep_their_statistics();
  a_gradient_from_before_is_dropped();
  what_does_not_exist_is_refused();
  return trivium::testing::finish("freeze");
}
