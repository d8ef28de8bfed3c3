// LoRA and IA3 while they are trained: the start, the scale, dropout, gradients, what is frozen around them, and where they are refused.
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/randn.h>

#include <set>

#include "adapted.h"
#include "nn/adapters/lora.h"
#include "nn/freeze.h"

using namespace trivium;
using namespace trivium::nn;
using namespace trivium::testing;

static void starts_as_the_network_it_adapts() {
  for (const bool training : {false, true}) {
    auto backbone = plain_vit();
    const auto before = logits_of(*backbone);
    attach_adapters(*backbone, Options("vit_test", {{"lora_rank", 3.0}, {"lora_dropout", 0.5}, {"use_ia3", true}, {"seed", 4.0}}));
    set_training(*backbone, training);
    CHECK_TRUE(logits_of(*backbone).equal(before));
  }
  auto vit = create_backbone("vit_tiny_patch16_224", Options("vit", {{"num_classes", 0.0}, {"image_size", 32.0}}));
  attach_adapters(*vit, Options("vit", {{"lora_rank", 16.0}, {"seed", 4.0}}), {"fc2"});
  const auto parameters = vit->named_parameters();
  const auto a = parameters["blocks.0.mlp.fc2.lora_A"];
  CHECK_TRUE((a.sizes() == at::IntArrayRef{16, 768}));
  // kaiming_uniform(√5) over 768 inputs: uniform in ±1/√768, whose standard deviation is that over √3.
  const double bound = 1 / std::sqrt(768.0);
  CHECK_TRUE(a.abs().max().item<double>() <= bound && a.abs().max().item<double>() > 0.99 * bound);
  CHECK_TRUE(std::abs(a.std().item<double>() / (bound / std::sqrt(3.0)) - 1) < 0.02);
  CHECK_TRUE(parameters["blocks.0.mlp.fc2.lora_B"].abs().max().item<double>() == 0);
  CHECK_TRUE(!parameters["blocks.1.mlp.fc2.lora_A"].equal(a));
  const auto drawn = [](double seed) {
    auto network = plain_vit();
    attach_adapters(*network, Options("vit_test", {{"lora_rank", 2.0}, {"seed", seed}}));
    return network->named_parameters()["blocks.1.attn.proj.lora_A"].clone();
  };
  CHECK_TRUE(drawn(7).equal(drawn(7)) && !drawn(7).equal(drawn(8)));
  torch::manual_seed(3);
  const auto stream = torch::rand({2});
  auto network = plain_vit();
  torch::manual_seed(3);
  attach_adapters(*network, Options("vit_test", {{"lora_rank", 2.0}, {"seed", 7.0}}));
  CHECK_TRUE(torch::rand({2}).equal(stream));
}

// y = Wx + b + α/r · B A x, by hand, for α ≠ r and α ≠ √r · r.
static void lora_is_scaled_by_alpha_over_rank() {
  torch::manual_seed(1);
  for (const auto& [rank, alpha] : std::vector<std::pair<int64_t, double>>{{1, 1}, {2, 16}, {8, 4}}) {
    Linear layer(5, 3);
    auto lora = std::make_shared<Lora>(layer.weight, LoraOptions{rank, alpha, 0});
    layer.attach(lora);
    torch::NoGradGuard no_grad;
    auto parameters = layer.named_parameters();
    parameters["lora_B"].normal_();
    const auto x = torch::randn({4, 5});
    const auto expected = x.mm(layer.weight.t()) + layer.bias +
                          alpha / static_cast<double>(rank) * x.mm(parameters["lora_A"].t()).mm(parameters["lora_B"].t());
    CHECK_NEAR(layer.forward(x), expected, 1e-6);
  }
}

static void dropout_is_on_the_branch_alone() {
  torch::NoGradGuard no_grad;
  constexpr int64_t kWidth = 64;
  Linear layer(kWidth, kWidth);
  layer.attach(std::make_shared<Lora>(layer.weight, LoraOptions{kWidth, 2.0 * kWidth, 0.25}));  // a scale of 2
  auto parameters = layer.named_parameters();
  parameters["lora_A"].copy_(torch::eye(kWidth));
  parameters["lora_B"].copy_(torch::eye(kWidth));
  const auto x = torch::rand({50, kWidth}) + 1;
  const auto base = x.mm(layer.weight.t()) + layer.bias;
  layer.train();
  const auto kept = (layer.forward(x) - base) / (2 * x);  // each is 0, or 1 / (1 − p)
  const auto is_dropped = kept.abs() < 1e-4, is_kept = (kept - 1 / 0.75).abs() < 1e-4;
  CHECK_TRUE((is_dropped | is_kept).all().item<bool>());
  CHECK_TRUE(std::abs(is_dropped.to(torch::kDouble).mean().item<double>() - 0.25) < 0.05);
  layer.eval();
  CHECK_NEAR(layer.forward(x), base + 2 * x, 1e-5);
}

static void only_adapters_added_blocks_and_the_classifier_train() {
  auto vit = plain_vit();
  attach_adapters(*vit, Options("vit_test", {{"lora_rank", 2.0}, {"use_ia3", true}}));
  fill_adapters(*vit);
  vit->train();
  vit->forward(images()).square().mean().backward();
  const auto names = adapter_names(*vit);
  const std::set<std::string> adapters(names.begin(), names.end());
  CHECK_TRUE(names.size() == 2 * (2 * 2 + 2));  // each block: A and B of qkv and proj, IA3 of qkv and fc2
  for (const auto& entry : vit->named_parameters()) {
    const bool trains = adapters.contains(entry.key()) || entry.key().rfind("head.", 0) == 0;
    trivium::testing::report(entry.value().requires_grad() == trains && entry.value().grad().defined() == trains, __FILE__, __LINE__,
                             entry.key() + (trains ? " is not trained" : " is trained"));
  }
  auto net = std::make_shared<SplitBiasNet>();
  attach_adapters(*net, Options("net", {{"lora_rank", 2.0}}));
  set_training(*net, true);
  auto parameters = net->named_parameters();
  CHECK_TRUE(parameters["extra.fc.weight"].requires_grad() && parameters["attn.qkv.lora_B"].requires_grad());
  CHECK_TRUE(!parameters["attn.q_bias"].requires_grad() && !parameters["bn.weight"].requires_grad());
  CHECK_TRUE(net->is_training() && net->attn->is_training() && !net->bn->is_training());
  const auto mean = net->bn->running_mean.clone();
  net->forward(torch::randn({8, 4}));
  CHECK_TRUE(net->bn->running_mean.equal(mean));

  unload_adapters(*net);
  CHECK_TRUE(adapter_names(*net).empty() && !has_adapters(*net) && net->bn->is_training());
  for (const auto& entry : net->named_parameters()) CHECK_TRUE(entry.value().requires_grad());
  attach_adapters(*net, Options("net", {{"lora_rank", 1.0}}));
  CHECK_TRUE(net->named_parameters()["attn.qkv.lora_A"].size(0) == 1);
}

// The first adapted block sees an input that takes no gradient: the blocks below it are frozen.
static void gradients_are_those_of_a_checkpointed_network() {
  std::map<bool, std::map<std::string, torch::Tensor>> gradients;
  for (const bool checkpointing : {false, true}) {
    const OptionMap made{{"num_classes", 7.0}, {"gradient_checkpointing", checkpointing}, {"drop_path_rate", 0.3}};
    auto vit = create_backbone("vit_test", Options("vit_test", made));
    attach_adapters(*vit, Options("vit_test", {{"lora_rank", 2.0}, {"lora_dropout", 0.3}, {"use_ia3", true}}));
    torch::NoGradGuard no_grad;
    for (auto& [name, tensor] : named_state(*vit)) tensor.copy_(filled(name, tensor.sizes().vec()));
    fill_adapters(*vit);
    set_training(*vit, true);
    torch::AutoGradMode grad(true);
    torch::manual_seed(5);
    vit->forward(images()).square().sum().backward();
    for (const auto& name : adapter_names(*vit)) gradients[checkpointing][name] = vit->named_parameters()[name].grad();
  }
  for (const auto& [name, gradient] : gradients[false]) {
    CHECK_TRUE(gradient.defined() && gradient.abs().max().item<double>() > 0);
    CHECK_TRUE(gradients[true][name].defined() && gradient.equal(gradients[true][name]));
  }
}

static void gradients_agree_with_finite_differences() {
  auto vit = adapted_vit({{"lora_rank", 2.0}, {"lora_alpha", 3.0}, {"use_ia3", true}});
  vit->to(torch::kDouble);
  const auto x = images().to(torch::kDouble);
  const auto direction = filled("direction", {2, 7}).to(torch::kDouble);
  (vit->forward(x) * direction).sum().backward();
  auto parameters = vit->named_parameters();
  for (const std::string name : {"blocks.0.attn.qkv.lora_A", "blocks.0.attn.qkv.lora_B", "blocks.1.attn.qkv.ia3_l", "blocks.0.mlp.fc2.ia3_l"}) {
    torch::NoGradGuard no_grad;
    auto flat = parameters[name].view(-1);
    const auto gradient = parameters[name].grad().view(-1);
    for (const int64_t i : {int64_t{0}, flat.numel() / 2, flat.numel() - 1}) {
      const double step = 1e-5, value = flat[i].item<double>();
      flat[i] = value + step;
      const double above = (vit->forward(x) * direction).sum().item<double>();
      flat[i] = value - step;
      const double below = (vit->forward(x) * direction).sum().item<double>();
      flat[i] = value;
      const double expected = (above - below) / (2 * step), actual = gradient[i].item<double>();
      trivium::testing::report(std::abs(actual - expected) < 1e-7 * (1 + std::abs(expected)), __FILE__, __LINE__,
                               name + ": gradient " + std::to_string(actual) + " against " + std::to_string(expected));
    }
  }
}

static void runs_in_bfloat16() {
  auto vit = adapted_vit({{"lora_rank", 2.0}, {"use_ia3", true}});
  const auto wide = logits_of(*vit);
  vit->train();
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, torch::kBFloat16);
  const auto narrow = vit->forward(images());
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  CHECK_TRUE((narrow - wide).abs().max().item<double>() < 0.1);
  narrow.sum().backward();
  for (const auto& name : adapter_names(*vit)) {
    const auto gradient = vit->named_parameters()[name].grad();
    CHECK_TRUE(gradient.defined() && gradient.scalar_type() == torch::kFloat && gradient.isfinite().all().item<bool>());
  }
}

static void wrong_adapters_are_refused() {
  const auto on = [](const std::string& name, OptionMap options, const Targets& targets = {}) {
    auto backbone = create_backbone(name, Options(name, {{"num_classes", 3.0}, {"image_size", 32.0}}));
    const auto before = copied_state(*backbone);
    try {
      attach_adapters(*backbone, Options(name, std::move(options)), targets);
    } catch (...) {
      CHECK_TRUE(same_state(before, copied_state(*backbone)));
      for (const auto& parameter : backbone->parameters()) CHECK_TRUE(parameter.requires_grad());
      throw;
    }
  };
  CHECK_ERROR(Config, "this network has none: its layers are convolutions", on("resnet_test", {{"lora_rank", 4.0}}));
  CHECK_ERROR(Config, "resnet_test: use_ia3", on("resnet_test", {{"use_ia3", true}}));
  CHECK_ERROR(Config, "Did you mean \"qkv\"? It has: attn.proj, attn.qkv, mlp.fc1, mlp.fc2.",
              on("vit_test", {{"lora_rank", 4.0}}, {"proj", "qvk"}));
  CHECK_ERROR(Config, "\"head\" names no linear layer", on("vit_test", {{"lora_rank", 4.0}}, {"head"}));
  CHECK_ERROR(Config, "lora_rank between 0 and", on("vit_test", {{"lora_rank", -1.0}}));
  CHECK_ERROR(Config, "lora_alpha above 0", on("vit_test", {{"lora_rank", 4.0}, {"lora_alpha", 0.0}}));
  CHECK_ERROR(Config, "lora_dropout in [0, 1)", on("vit_test", {{"lora_rank", 4.0}, {"lora_dropout", 1.0}}));
  CHECK_ERROR(Config, "lora_alpha needs lora_rank", on("vit_test", {{"lora_alpha", 4.0}}));
  CHECK_ERROR(Config, "Did you mean \"lora_rank\"", on("vit_test", {{"lora_ranks", 4.0}, {"use_ia3", true}}));
  CHECK_ERROR(Config, "lora_targets needs lora_rank", on("vit_test", {{"use_ia3", true}}, {"qkv"}));
  auto vit = adapted_vit({{"lora_rank", 2.0}});
  CHECK_ERROR(Config, "adapters already", attach_adapters(*vit, Options("vit_test", {{"use_ia3", true}})));
  on("resnet_test", {{"lora_rank", 0.0}, {"lora_alpha", 16.0}, {"use_ia3", false}});
}

int main() {
  at::set_num_threads(1);
  starts_as_the_network_it_adapts();
  lora_is_scaled_by_alpha_over_rank();
  dropout_is_on_the_branch_alone();
  only_adapters_added_blocks_and_the_classifier_train();
  gradients_are_those_of_a_checkpointed_network();
  gradients_agree_with_finite_differences();
  runs_in_bfloat16();
  wrong_adapters_are_refused();
  return trivium::testing::finish("adapters");
}
