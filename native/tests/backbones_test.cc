// Every backbone against timm (or a PyTorch twin), its names and sizes, a backward pass, and the options it refuses.
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <set>

#include "backbone_golden.h"

using namespace trivium;
using namespace trivium::nn;
using trivium::testing::crc32;
using trivium::testing::described;
using trivium::testing::Json;

// Names, shapes, preprocessing, weights and licence of everything that timm has too; networks of more than a few million parameters are
// compared by bench/backbones/compare-timm.mjs.
static void is_listed_as_in_timm(const Json& row) {
  constexpr double kMostParameters = 1.2e7;
  const std::string name = row["name"].text;
  const auto expect = [&](bool same, const std::string& what) {
    trivium::testing::report(same, __FILE__, __LINE__, name + ": other " + what + " than timm's");
  };
  const auto entry = std::find_if(backbones().begin(), backbones().end(), [&](const auto& candidate) { return candidate.name == name; });
  expect(entry != backbones().end(), "name");
  if (entry == backbones().end()) return;
  const auto& preprocessing = entry->preprocessing;
  expect(preprocessing.image_size == row["image_size"].integer(), "image size");
  expect(trivium::testing::difference(torch::tensor(preprocessing.mean, torch::kDouble), row["mean"].tensor()) < 1e-9, "mean");
  expect(trivium::testing::difference(torch::tensor(preprocessing.std, torch::kDouble), row["std"].tensor()) < 1e-9, "std");
  expect(preprocessing.interpolation == row["interpolation"].text, "interpolation");
  expect(preprocessing.crop_fraction == row["crop_fraction"].number, "crop fraction");
  expect(entry->weights == row["weights"].text, "weights");
  expect(entry->license == row["license"].text, "licence");
  if (row["parameters"].number > kMostParameters) return;
  const auto backbone = create_backbone(name, Options(name, {}));
  int64_t count = 0;
  for (const auto& parameter : backbone->parameters()) count += parameter.numel();
  expect(count == row["parameters"].integer(), "number of parameters");
  expect(crc32(described(backbone->named_parameters())) == row["parameter_names"].integer(), "parameter names or shapes");
  expect(crc32(described(backbone->named_buffers())) == row["buffer_names"].integer(), "buffer names or shapes");
}

// The registry's smallest of each family: trains, in bfloat16 too; runs at a batch of one; without a classifier gives pooled features.
static void every_backbone_trains() {
  for (const auto& entry : backbones()) {
    const auto& name = entry.name;
    if (!name.ends_with("_test") && name != "small_cnn") continue;
    auto backbone = create_backbone(name, Options(name, {{"num_classes", 3.0}, {"image_size", 32.0}, {"seed", 5.0}}));
    backbone->train();
    const auto images = torch::randn({4, 3, 32, 32});
    backbone->forward(images).square().mean().backward();
    for (const auto& parameter : backbone->named_parameters()) {
      trivium::testing::report(parameter.value().grad().defined() && parameter.value().grad().isfinite().all().item<bool>(), __FILE__,
                               __LINE__, name + ": no finite gradient for " + parameter.key());
    }
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, torch::kBFloat16);
    const auto half = backbone->forward(images);
    at::autocast::set_autocast_enabled(at::kCPU, false);
    at::autocast::clear_cache();
    CHECK_TRUE(half.scalar_type() == torch::kFloat && half.isfinite().all().item<bool>());

    auto headless = create_backbone(name, Options(name, {{"num_classes", 0.0}, {"image_size", 32.0}}));
    headless->eval();
    CHECK_TRUE((headless->forward(images.slice(0, 0, 1)).sizes() == at::IntArrayRef{1, headless->num_features()}));
  }
}

static void initialisation_is_timms() {
  auto resnet = create_backbone("resnet18", Options("resnet18", {{"num_classes", 10.0}, {"seed", 1.0}}));
  const auto state = resnet->named_parameters();
  // fan_out of [512, 512, 3, 3]: √(2 / (512 · 9)).
  CHECK_TRUE(std::abs(state["layer4.1.conv2.weight"].std().item<double>() / std::sqrt(2.0 / (512 * 9)) - 1) < 0.01);
  CHECK_TRUE(state["layer1.0.bn2.weight"].abs().max().item<double>() == 0);
  CHECK_TRUE(state["layer1.0.bn1.weight"].min().item<double>() == 1);
  auto vit = create_backbone("vit_tiny_patch16_224", Options("vit", {{"seed", 1.0}}));
  const auto tokens = vit->named_parameters();
  CHECK_TRUE(std::abs(tokens["blocks.3.mlp.fc1.weight"].std().item<double>() - 0.02) < 2e-4);
  CHECK_TRUE(tokens["blocks.3.mlp.fc1.weight"].abs().max().item<double>() < 0.15);
  CHECK_TRUE(tokens["blocks.3.attn.qkv.bias"].abs().max().item<double>() == 0);
  CHECK_TRUE(tokens["cls_token"].abs().max().item<double>() < 1e-5);

  const auto spread = [](const torch::Tensor& weight) { return weight.std().item<double>(); };
  const auto first = create_backbone("convnext_atto", Options("convnext_atto", {{"seed", 1.0}}))->named_parameters();
  CHECK_TRUE(std::abs(spread(first["stages.3.blocks.0.mlp.fc1.weight"]) - 0.02) < 2e-4);
  CHECK_TRUE(std::abs(spread(first["stages.3.blocks.0.conv_dw.weight"]) - 0.02) < 5e-4);
  CHECK_TRUE(first["stages.3.blocks.0.conv_dw.bias"].abs().max().item<double>() == 0);
  CHECK_NEAR(first["stages.0.blocks.0.gamma"], torch::full({40}, 1e-6), 1e-12);
  const auto second = create_backbone("convnextv2_atto", Options("convnextv2_atto", {{"seed", 1.0}}))->named_parameters();
  CHECK_TRUE(!second.contains("stages.0.blocks.0.gamma"));
  CHECK_TRUE(second["stages.0.blocks.0.mlp.grn.weight"].abs().max().item<double>() == 0);
  CHECK_TRUE(second["stages.0.blocks.0.mlp.grn.bias"].abs().max().item<double>() == 0);
  const auto swin = create_backbone("swinv2_test", Options("swinv2_test", {{"seed", 1.0}}))->named_parameters();
  CHECK_NEAR(swin["layers.1.blocks.0.attn.logit_scale"], torch::full({2, 1, 1}, std::log(10.0)), 1e-6);
  CHECK_TRUE(swin["layers.1.blocks.0.norm1.weight"].abs().max().item<double>() == 0);
  CHECK_TRUE(swin["layers.1.downsample.norm.weight"].min().item<double>() == 1);
  CHECK_TRUE(std::abs(spread(swin["layers.3.blocks.0.mlp.fc1.weight"]) - 0.02) < 1e-3);
  CHECK_TRUE(std::abs(spread(swin["layers.1.blocks.0.attn.cpb_mlp.0.weight"]) - 0.02) < 2e-3);
  const auto plain = create_backbone("resnet20", Options("resnet20", {{"seed", 1.0}}))->named_parameters();
  CHECK_TRUE(std::abs(spread(plain["layer3.1.conv1.weight"]) / std::sqrt(2.0 / (64 * 9)) - 1) < 0.02);
}

static void aliases_name_the_same_network() {
  const auto entry = std::find_if(backbones().begin(), backbones().end(), [](const auto& one) { return one.name == "dinov2_small14"; });
  CHECK_TRUE(entry != backbones().end() && entry->alias_of == "vit_small_patch14_dinov2" && entry->weights == "timm/vit_small_patch14_dinov2.lvd142m");
  const auto make = [](const std::string& name) {
    return create_backbone(name, Options(name, {{"image_size", 28.0}, {"num_classes", 2.0}, {"seed", 9.0}}));
  };
  const auto alias = make("dinov2_small14"), own = make("vit_small_patch14_dinov2");
  CHECK_TRUE(described(alias->named_parameters()) == described(own->named_parameters()));
  CHECK_TRUE(alias->parameters()[5].equal(own->parameters()[5]));
}

// What timm's Eva and GluMlp do beyond a truncated normal.
static void initialisation_of_eva_and_swiglu() {
  auto eva = create_backbone("eva02_tiny_patch14_224", Options("eva", {{"seed", 1.0}, {"image_size", 28.0}}));
  const auto state = eva->named_parameters();
  const auto spread = [&](const std::string& name) { return state[name].std().item<double>(); };
  CHECK_TRUE(std::abs(spread("blocks.0.attn.proj.weight") - 0.02 / std::sqrt(2.0)) < 3e-4);
  CHECK_TRUE(std::abs(spread("blocks.11.mlp.fc2.weight") - 0.02 / std::sqrt(24.0)) < 1e-4);
  CHECK_TRUE(std::abs(spread("head.weight") - 0.00002) < 1e-6);
  CHECK_TRUE(spread("cls_token") > 0.01 && state["blocks.3.attn.q_bias"].abs().max().item<double>() == 0);
  auto packed = create_backbone("dinov2_swiglu_test", Options("packed", {{"seed", 1.0}}));
  const auto weight = packed->named_parameters()["blocks.1.mlp.fc1.weight"], bias = packed->named_parameters()["blocks.1.mlp.fc1.bias"];
  CHECK_TRUE(weight.slice(0, 48).abs().max().item<double>() < 1e-5 && weight.slice(0, 0, 48).std().item<double>() > 0.015);
  CHECK_TRUE(bias.slice(0, 48).eq(1).all().item<bool>() && bias.slice(0, 0, 48).eq(0).all().item<bool>());
  CHECK_TRUE(packed->named_parameters()["blocks.1.ls2.gamma"].sub(1e-5).abs().max().item<double>() < 1e-9);
}

static void seeds_repeat_and_leave_the_stream_alone() {
  const auto weight = [](double seed) {
    return create_backbone("small_cnn", Options("small_cnn", {{"seed", seed}}))->parameters().front().clone();
  };
  torch::manual_seed(3);
  const auto before = torch::rand({2});
  torch::manual_seed(3);
  const auto first = weight(7);
  CHECK_TRUE(torch::rand({2}).equal(before));
  CHECK_TRUE(first.equal(weight(7)) && !first.equal(weight(8)));
}

static void conv_nets_are_channels_last() {
  for (const auto& entry : backbones()) {
    if (!entry.name.ends_with("test")) continue;
    auto backbone = create_backbone(entry.name, Options(entry.name, {}));
    for (const auto& parameter : backbone->parameters()) {
      if (entry.channels_last && parameter.dim() == 4) CHECK_TRUE(parameter.is_contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
  auto resnet = create_backbone("resnet_test", Options("resnet_test", {}));
  const auto before = named_state(*resnet);
  to_channels_last(*resnet);
  const auto after = named_state(*resnet);
  CHECK_TRUE(before.size() == after.size() && before.front().first == "conv1.weight" && before[1].first == "bn1.weight");
  for (size_t i = 0; i < before.size(); ++i) CHECK_TRUE(before[i].first == after[i].first && before[i].second.equal(after[i].second));
}

// ln 100 is the most that attention is sharpened by (2111.09883, §3.2).
static void swin_attention_is_bounded() {
  torch::NoGradGuard no_grad;
  auto swin = create_backbone("swinv2_test", Options("swinv2_test", {{"image_size", 32.0}, {"num_classes", 0.0}}));
  trivium::testing::fill(*swin);
  swin->eval();
  const auto images = torch::randn({1, 3, 32, 32});
  const auto at_scale = [&](double value) {
    for (auto& parameter : swin->named_parameters()) {
      if (parameter.key().ends_with("logit_scale")) parameter.value().fill_(value);
    }
    return swin->forward(images);
  };
  CHECK_TRUE(at_scale(50.0).equal(at_scale(5.0)));
  CHECK_TRUE(!at_scale(4.6).equal(at_scale(4.0)));
}

// Stages name every tensor but the classifier's exactly once, for freezing; layers too, but for what timm groups with the classifier
// (head.norm, fc_norm), for layer-wise decay.
static void parts_cover(const std::string& name, const std::string& key, const OptionValue& value) {
  const auto whole = create_backbone(name, Options(name, {{"num_classes", 0.0}, {key, value}}));
  for (const bool by_layers : {true, false}) {
    const auto parts = by_layers ? whole->layers() : whole->stages();
    for (const auto& parameter : whole->named_parameters()) {
      const bool with_head = parameter.key().rfind("head.", 0) == 0 || parameter.key().rfind("fc_norm.", 0) == 0;
      int named = by_layers && with_head ? 1 : 0;
      for (const auto& part : parts) {
        for (const auto& prefix : part) named += parameter.key() == prefix || parameter.key().rfind(prefix + ".", 0) == 0 ? 1 : 0;
      }
      trivium::testing::report(named == 1, __FILE__, __LINE__, name + ": " + parameter.key() + " is in " + std::to_string(named) + " parts");
    }
  }
}

static void parts_cover_every_backbone() {
  for (const auto& entry : backbones()) {
    if (!entry.name.ends_with("_test") && entry.name != "small_cnn") continue;
    parts_cover(entry.name, "use_cbam", true);
    const bool sequence = std::set<std::string>{"vit", "dinov2", "dinov3", "eva"}.contains(entry.family);
    if (sequence) parts_cover(entry.name, "token_learner_tokens", 3.0);
  }
  parts_cover("hybrid_test", "fusion", std::string("gate"));
}

static void hybrids_are_two_networks() {
  const auto make = [](std::map<std::string, OptionValue> values) {
    values.emplace("seed", 1.0);
    return create_backbone("hybrid_test", Options("hybrid_test", std::move(values)));
  };
  const std::string gate = "gate", convnext = "convnextv2_test", swin = "swinv2_test";
  CHECK_TRUE(make({})->num_features() == 32 + 32);
  CHECK_TRUE(make({{"fusion", gate}, {"fusion_width", 24.0}})->num_features() == 24);
  const auto other = make({{"cnn_model", convnext}, {"vit_model", swin}, {"image_size", 64.0}, {"drop_path_rate", 0.2}});
  CHECK_TRUE(other->num_features() == 64 + 64 && other->named_parameters().contains("vit.layers.0.blocks.0.attn.q_bias"));
  // An option goes to the half that reads it, to both, or is refused.
  const auto names = make({{"cifar_stem", true}, {"use_cbam", true}, {"token_merging_ratio", 0.0}})->named_parameters();
  CHECK_TRUE(names["cnn.conv1.weight"].size(2) == 3 && names.contains("cnn.layer1.0.cbam.ChannelGate.mlp.1.weight") &&
             names.contains("vit.cbam.ChannelGate.mlp.1.weight"));
  CHECK_ERROR(Config, "unknown option width", make({{"width", 8.0}}));
  CHECK_ERROR(Config, "expected cnn_model to be a convolutional network but got vit_test of the family vit",
              make({{"cnn_model", std::string("vit_test")}}));
  CHECK_ERROR(Config, "expected vit_model to be a transformer but got resnet18", make({{"vit_model", std::string("resnet18")}}));
  CHECK_ERROR(Config, "expected vit_model to be a transformer but got hybrid", make({{"vit_model", std::string("hybrid")}}));
  CHECK_ERROR(Config, "Did you mean resnet18", make({{"cnn_model", std::string("resnet8")}}));
  CHECK_ERROR(Config, "fusion to be concat or gate but got \"sum\"", make({{"fusion", std::string("sum")}}));
  CHECK_ERROR(Config, "fusion_width is set but fusion is concat", make({{"fusion_width", 8.0}}));
}

static void wrong_options_are_refused() {
  CHECK_ERROR(Config, "use_cbam needs the patches as a map, and with token_merging_ratio",
              create_backbone("vit_test", Options("vit_test", {{"use_cbam", true}, {"token_merging_ratio", 0.5}})));
  CHECK_ERROR(Config, "image_size of at least 32 but got 31",
              create_backbone("convnext_test", Options("convnext_test", {{"image_size", 31.0}})));
  CHECK_ERROR(Config, "image_size of at least 4 but got 3", create_backbone("swinv2_test", Options("swinv2_test", {{"image_size", 3.0}})));
  CHECK_ERROR(Config, "drop_path_rate of at least 0", create_backbone("resnet20", Options("resnet20", {{"drop_path_rate", 1.0}})));
  auto swin = create_backbone("swinv2_test", Options("swinv2_test", {}));
  CHECK_ERROR(Shape, "expected images of 64x64 pixels", swin->forward(torch::zeros({1, 3, 32, 32})));
  CHECK_ERROR(Config, "Did you mean resnet18", create_backbone("resnet8", Options("x", {})));
  CHECK_ERROR(Config, "Known: cifar_cnn,", create_backbone("qqqqqqqqqqqqqq", Options("x", {})));
  CHECK_ERROR(Config, "unknown option cifar_stem", create_backbone("small_cnn", Options("small_cnn", {{"cifar_stem", true}})));
  CHECK_ERROR(Config, "num_classes between 0", create_backbone("small_cnn", Options("small_cnn", {{"num_classes", -1.0}})));
  CHECK_ERROR(Config, "image_size between 1", create_backbone("resnet18", Options("resnet18", {{"image_size", 0.0}})));
  CHECK_ERROR(Config, "image_size of at least 8", create_backbone("cifar_cnn", Options("cifar_cnn", {{"image_size", 7.0}})));
  CHECK_ERROR(Config, "image_size of at least 4", create_backbone("small_cnn", Options("small_cnn", {{"image_size", 3.0}})));
  CHECK_ERROR(Config, "that patch_size 16 divides but got 40",
              create_backbone("vit_tiny_patch16_224", Options("vit", {{"image_size", 40.0}})));
  CHECK_ERROR(Config, "seed of at least 0", create_backbone("small_cnn", Options("small_cnn", {{"seed", -1.0}})));
  auto vit = create_backbone("vit_test", Options("vit_test", {}));
  CHECK_ERROR(Shape, "expected images that give 16 patches", vit->forward(torch::zeros({1, 3, 16, 16})));
}

int main() {
  at::set_num_threads(1);
  std::set<std::string> seen;
  for (const auto* file : {"models.json", "backbones_conv.json", "backbones_transformer.json"}) {
    const auto golden = trivium::testing::golden(file);
    for (const auto& expected : golden["backbones"].list) {
      trivium::testing::agrees_with_golden(expected);
      seen.insert(expected["name"].text);
    }
  }
  for (const auto& row : trivium::testing::golden("timm_entries.json").list) {
    is_listed_as_in_timm(row);
    seen.insert(row["name"].text);
  }
  for (const auto& entry : backbones()) {
    if (entry.name == "hybrid") continue;  // two of the others; hybrid_test has values
    const auto& name = entry.alias_of.empty() ? entry.name : entry.alias_of;
    trivium::testing::report(seen.contains(name), __FILE__, __LINE__, name + " has no golden values");
  }
  every_backbone_trains();
  initialisation_is_timms();
  initialisation_of_eva_and_swiglu();
  aliases_name_the_same_network();
  seeds_repeat_and_leave_the_stream_alone();
  conv_nets_are_channels_last();
  swin_attention_is_bounded();
  parts_cover_every_backbone();
  hybrids_are_two_networks();
  wrong_options_are_refused();
  return trivium::testing::finish("backbones");
}
