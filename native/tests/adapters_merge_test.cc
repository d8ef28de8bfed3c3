// Merging and unmerging adapters: against peft, with biases that lie apart, after merged weights were overwritten, and in every family.
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include "adapted.h"
#include "nn/freeze.h"

using namespace trivium;
using namespace trivium::nn;
using namespace trivium::testing;

static void expect_sampled(const torch::Tensor& actual, const Json& expected, const std::string& what) {
  const bool same = actual.sizes().vec() == expected["shape"].integers();
  const double off = !same ? INFINITY
                           : trivium::testing::difference(actual.contiguous().flatten().slice(0, 0, {}, expected["step"].integer()),
                                                          expected["values"].tensor());
  trivium::testing::report(off < 2e-5, __FILE__, __LINE__, what + " is off by " + std::to_string(off));
}

static void agrees_with_peft(const std::string& what, const Json& expected, OptionMap options, const Targets& targets = {}) {
  auto backbone = adapted_vit(std::move(options), targets);
  auto logits = backbone->forward(images());
  expect_sampled(logits, expected["logits"], what + " logits");
  (logits * filled("direction", {2, 7})).sum().backward();
  auto parameters = backbone->named_parameters();
  for (const auto& [key, value] : expected.map) {
    if (key != "gradients") continue;
    for (const auto& [name, gradient] : value.map) expect_sampled(parameters[name].grad(), gradient, what + " gradient of " + name);
  }
  const auto before = copied_state(*backbone);
  CHECK_TRUE(merge_adapters(*backbone) > 0);
  parameters = backbone->named_parameters();
  for (const auto& [name, weight] : expected["merged"].map) expect_sampled(parameters[name], weight, what + " merged " + name);
  expect_sampled(logits_of(*backbone), expected["logits"], what + " merged logits");

  // The merged network is the plain one: a published loader of timm's names takes it.
  std::vector<std::string> own, timms;
  for (const auto& entry : named_state(*backbone)) own.push_back(entry.first);
  for (const auto& entry : named_state(*plain_vit())) timms.push_back(entry.first);
  CHECK_TRUE(own == timms);
  CHECK_TRUE(adapter_names(*backbone).empty() && has_adapters(*backbone));

  const auto merged = copied_state(*backbone);
  CHECK_TRUE(merge_adapters(*backbone) == 0);
  CHECK_TRUE(same_state(merged, copied_state(*backbone)));
  unmerge_adapters(*backbone);
  CHECK_TRUE(same_state(before, copied_state(*backbone)));
  unmerge_adapters(*backbone);
  CHECK_TRUE(same_state(before, copied_state(*backbone)));
}

static void peft_goldens() {
  const auto golden = trivium::testing::golden("adapters.json");
  const std::vector<std::string> all{"attn.*", "mlp.*"};
  const double rank = golden["rank"].number, alpha = golden["alpha"].number;
  agrees_with_peft("lora", golden["lora"], {{"lora_rank", rank}, {"lora_alpha", alpha}}, all);
  agrees_with_peft("ia3", golden["ia3"], {{"use_ia3", true}});
  agrees_with_peft("both", golden["both"], {{"lora_rank", rank}, {"lora_alpha", alpha}, {"use_ia3", true}}, all);
}

static void ia3_scales_biases_that_lie_apart() {
  torch::manual_seed(2);
  auto net = std::make_shared<SplitBiasNet>();
  net->eval();
  attach_adapters(*net, Options("net", {{"use_ia3", true}}));
  fill_adapters(*net);
  const auto x = torch::randn({3, 4});
  torch::NoGradGuard no_grad;
  const auto plain = at::cat({net->attn->q_bias, torch::zeros({4}), net->attn->v_bias});
  const auto scale = at::cat({torch::ones({4}), net->named_parameters()["attn.qkv.ia3_l"]});
  CHECK_NEAR(net->attn->forward(x), (x.mm(net->attn->qkv->weight.t()) + plain) * scale, 1e-6);
  const auto before = copied_state(*net);
  const auto expected = net->forward(x);
  merge_adapters(*net);
  CHECK_NEAR(net->forward(x), expected, 1e-6);
  CHECK_NEAR(net->attn->v_bias, before.at("attn.v_bias") * scale.slice(0, 8), 1e-6);
  CHECK_TRUE(net->attn->q_bias.equal(before.at("attn.q_bias")));
  CHECK_TRUE(net->attn->qkv->weight.slice(0, 0, 4).equal(before.at("attn.qkv.weight").slice(0, 0, 4)));
  unmerge_adapters(*net);
  CHECK_TRUE(same_state(before, copied_state(*net)));
}

static void merged_weights_that_were_overwritten_are_unmerged_by_arithmetic() {
  auto vit = adapted_vit({{"lora_rank", 4.0}, {"lora_alpha", 6.0}, {"use_ia3", true}});
  merge_adapters(*vit);
  torch::NoGradGuard no_grad;
  auto weight = vit->named_parameters()["blocks.0.mlp.fc2.weight"], qkv = vit->named_parameters()["blocks.0.attn.qkv.weight"];
  auto bias = vit->named_parameters()["blocks.0.attn.qkv.bias"];
  weight.mul_(2), qkv.add_(0.5), bias.add_(1);
  const auto after = logits_of(*vit);
  unmerge_adapters(*vit);
  CHECK_NEAR(logits_of(*vit), after, 1e-5);
  const auto l = vit->named_parameters()["blocks.0.mlp.fc2.ia3_l"];
  CHECK_NEAR(weight, 2 * filled("blocks.0.mlp.fc2.weight", {32, 128}), 1e-6);  // W l · 2 / l
  merge_adapters(*vit);
  CHECK_NEAR(logits_of(*vit), after, 1e-5);

  unmerge_adapters(*vit);
  vit->named_parameters()["blocks.0.mlp.fc2.ia3_l"][3] = 0;
  const auto before = copied_state(*vit);
  merge_adapters(*vit);
  unmerge_adapters(*vit);  // nobody wrote: the copy comes back, zero or not
  CHECK_TRUE(same_state(before, copied_state(*vit)));
  merge_adapters(*vit);
  weight.add_(1);
  const auto merged = copied_state(*vit);
  CHECK_ERROR(Snapshot, "blocks.0.mlp.fc2", unmerge_adapters(*vit));
  CHECK_TRUE(same_state(merged, copied_state(*vit)));
}

// A family that computed a layer from its weight by hand would leave the adapter out.
static void every_linear_layer_of_every_family_runs_its_adapter() {
  int64_t layers = 0;
  for (const auto& entry : backbones()) {
    if (entry.name.size() < 5 || entry.name.compare(entry.name.size() - 5, 5, "_test") != 0) continue;
    const auto make = [&] { return create_backbone(entry.name, Options(entry.name, {{"num_classes", 3.0}, {"seed", 1.0}})); };
    std::vector<std::string> names;
    for (const auto& item : make()->named_modules("", false)) {
      if (std::dynamic_pointer_cast<Linear>(item.value())) names.push_back(item.key());
    }
    auto plain = make();
    const int64_t size = plain->preprocessing().image_size;
    const auto input = filled("input", {1, 3, size, size}) * 3;
    for (const auto& name : names) {
      auto backbone = make();
      torch::NoGradGuard no_grad;
      for (auto& [key, tensor] : named_state(*backbone)) tensor.copy_(filled(key, tensor.sizes().vec()));
      backbone->eval();
      const auto before = backbone->forward(input);
      const Options options(entry.name, {{"lora_rank", 1.0}});
      if (!in_stages(*plain, name + ".weight")) {  // the classifier
        CHECK_ERROR(Config, "", attach_adapters(*backbone, options, {name}));
        continue;
      }
      attach_adapters(*backbone, options, {name});
      auto parameters = backbone->named_parameters();
      parameters[name + ".lora_A"].fill_(0.3);
      parameters[name + ".lora_B"].copy_(filled("b", parameters[name + ".lora_B"].sizes().vec()) * 2);
      const auto after = backbone->forward(input);
      trivium::testing::report((after - before).abs().max().item<double>() > 1e-4, __FILE__, __LINE__,
                               entry.name + ": " + name + " does not run its adapter");
      merge_adapters(*backbone);
      const double off = trivium::testing::difference(backbone->forward(input), after);
      trivium::testing::report(off < 1e-4, __FILE__, __LINE__, entry.name + ": " + name + " merged is off by " + std::to_string(off));
      ++layers;
    }
  }
  CHECK_TRUE(layers >= 8);
}

// Fused and split keys and values, biases inside and beside the layer, MLPs of one and of two branches.
static void every_family_merges_ia3() {
  int64_t families = 0;
  for (const auto& entry : backbones()) {
    if (entry.name.size() < 5 || entry.name.compare(entry.name.size() - 5, 5, "_test") != 0) continue;
    auto backbone = create_backbone(entry.name, Options(entry.name, {{"num_classes", 3.0}}));
    try {
      attach_adapters(*backbone, Options(entry.name, {{"use_ia3", true}}));
    } catch (const Error& error) {
      CHECK_TRUE(error.kind == ErrorKind::Config);  // a network of convolutions
      continue;
    }
    torch::NoGradGuard no_grad;
    for (auto& [key, tensor] : named_state(*backbone)) tensor.copy_(filled(key, tensor.sizes().vec()));
    fill_adapters(*backbone);
    backbone->eval();
    const int64_t size = backbone->preprocessing().image_size;
    const auto input = filled("input", {2, 3, size, size}) * 3;
    const auto before = copied_state(*backbone);
    const auto expected = backbone->forward(input);
    merge_adapters(*backbone);
    const double off = trivium::testing::difference(backbone->forward(input), expected);
    trivium::testing::report(off < 1e-4, __FILE__, __LINE__, entry.name + " merged is off by " + std::to_string(off));
    unmerge_adapters(*backbone);
    trivium::testing::report(same_state(before, copied_state(*backbone)), __FILE__, __LINE__, entry.name + " does not come apart as it was");
    ++families;
  }
  CHECK_TRUE(families >= 1);
}

int main() {
  at::set_num_threads(1);
  peft_goldens();
  ia3_scales_biases_that_lie_apart();
  merged_weights_that_were_overwritten_are_unmerged_by_arithmetic();
  every_linear_layer_of_every_family_runs_its_adapter();
  every_family_merges_ia3();
  return trivium::testing::finish("adapters_merge");
}
