// CBAM and MixStyle: the authors' numbers, what each leaves alone, and the backbones that take them.
#include <ATen/Parallel.h>

#include <set>

#include "check.h"
#include "golden.h"
#include "nn/blocks/cbam.h"
#include "nn/blocks/mixstyle.h"
#include "nn/registry.h"

using namespace trivium;
using namespace trivium::nn;
using trivium::testing::filled;
using trivium::testing::Json;

static torch::Tensor values(const Json& json) { return json["values"].tensor().view(json["shape"].integers()); }

static void cbam_is_the_authors(const Json& golden) {
  Cbam cbam(32);
  const auto state = named_state(cbam);
  std::set<std::string> names, wanted;
  {
    torch::NoGradGuard no_grad;
    for (auto [name, tensor] : state) {
      tensor.copy_(filled(name, tensor.sizes().vec()));
      names.insert(name);
    }
  }
  for (const auto& name : golden["names"].list) wanted.insert(name.text);
  CHECK_TRUE(names == wanted);
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    auto input = (filled("input", {2, 32, 3, 5}) * 5).contiguous(format).requires_grad_();
    cbam.eval();
    const auto out = cbam.forward(input);
    CHECK_NEAR(out, values(golden["evaluated"]), 1e-5);
    (out * filled("cotangent", {2, 32, 3, 5})).sum().backward();
    CHECK_NEAR(input.grad(), values(golden["gradient"]), 1e-5);
  }
  cbam.train();
  CHECK_NEAR(cbam.forward(filled("input", {2, 32, 3, 5}) * 5), values(golden["trained"]), 1e-5);
  const auto buffers = cbam.named_buffers();
  CHECK_NEAR(buffers["SpatialGate.spatial.bn.running_mean"], values(golden["running_mean"]), 1e-6);
  CHECK_NEAR(buffers["SpatialGate.spatial.bn.running_var"], values(golden["running_var"]), 1e-6);
}

// Tokens are a map row by row, and class token and registers no part of it.
static void cbam_takes_tokens_as_a_map() {
  torch::manual_seed(3);
  Cbam cbam(8);
  cbam.eval();
  constexpr int64_t kSide = 3;
  const auto map = torch::randn({2, 8, kSide, kSide});
  const auto expected = cbam.forward(map);
  for (const int64_t prefix : {0, 1, 5}) {
    auto tokens = torch::randn({2, prefix + kSide * kSide, 8});
    for (int64_t row = 0; row < kSide; ++row) {
      for (int64_t column = 0; column < kSide; ++column) {
        tokens.select(1, prefix + row * kSide + column).copy_(map.select(2, row).select(2, column));
      }
    }
    const auto result = cbam.on_tokens(tokens, prefix, kSide);
    CHECK_TRUE(result.slice(1, 0, prefix).equal(tokens.slice(1, 0, prefix)));
    for (int64_t row = 0; row < kSide; ++row) {
      for (int64_t column = 0; column < kSide; ++column) {
        CHECK_NEAR(result.select(1, prefix + row * kSide + column), expected.select(2, row).select(2, column), 1e-6);
      }
    }
  }
}

static void mixstyle_is_the_authors(const Json& golden) {
  const auto lambda = torch::tensor({0.25, 0.9, 0.0}).view({3, 1, 1, 1});
  const auto order = torch::tensor({2, 0, 1}, torch::kLong);
  auto input = (filled("input", {3, 4, 2, 5}) * 5).requires_grad_();
  const auto mixed = mix_styles(input, lambda, order, {2, 3});
  CHECK_NEAR(mixed, values(golden["mixed"]), 1e-5);
  (mixed * filled("cotangent", {3, 4, 2, 5})).sum().backward();
  CHECK_NEAR(input.grad(), values(golden["gradient"]), 1e-5);  // statistics carry no gradient

  // The result has the mixed statistics, and with λ = 1 it is the input.
  const auto mean = [](const torch::Tensor& map) { return map.mean({2, 3}, true); };
  const auto deviation = [](const torch::Tensor& map) { return map.var(at::IntArrayRef{2, 3}, true, true).sqrt(); };
  const auto blend = [&](const torch::Tensor& own) { return lambda * own + (1 - lambda) * own.index_select(0, order); };
  CHECK_NEAR(mean(mixed.detach()), blend(mean(input.detach())), 1e-5);
  CHECK_NEAR(deviation(mixed.detach()), blend(deviation(input.detach())), 1e-5);
  CHECK_NEAR(mix_styles(input, torch::ones({3, 1, 1, 1}), order, {2, 3}).detach(), input.detach(), 1e-5);
  // A map of one position has a mean and no deviation.
  CHECK_TRUE(mix_styles(input.slice(2, 0, 1).slice(3, 0, 1), lambda, order, {2, 3}).isfinite().all().item<bool>());
}

static void mixstyle_draws() {
  const auto input = torch::randn({6, 3, 4, 4});
  MixStyle always(1.0, 0.1), never(0.0, 0.1), half(0.5, 0.1);
  torch::manual_seed(2);
  CHECK_TRUE(!always.forward(input).equal(input));
  CHECK_TRUE(never.forward(input).is_same(input));
  int changed = 0;
  for (int i = 0; i < 200; ++i) changed += half.forward(input).is_same(input) ? 0 : 1;
  CHECK_TRUE(changed > 70 && changed < 130);
  always.eval();
  CHECK_TRUE(always.forward(input).is_same(input));
  always.train();
  const auto draw = [&](uint64_t seed) {
    torch::manual_seed(seed);
    return always.forward(input);
  };
  CHECK_TRUE(draw(5).equal(draw(5)) && !draw(5).equal(draw(6)));
  const auto tokens = torch::randn({4, 7, 5});
  const auto mixed = always.mix_tokens(tokens, 2);
  CHECK_TRUE(mixed.slice(1, 0, 2).equal(tokens.slice(1, 0, 2)) && !mixed.slice(1, 2).equal(tokens.slice(1, 2)));
  CHECK_TRUE(always.forward(input.to(torch::kBFloat16)).scalar_type() == torch::kBFloat16);
}

// λ and partner of each sample follow from two moments of its result, where sample i has mean i and deviation i².
static void mixstyle_draws_lambda_for_each_sample_and_one_gate_for_the_batch() {
  constexpr int64_t kCount = 256;
  const auto own = torch::arange(1, kCount + 1, torch::kDouble);
  auto pattern = torch::randn({1, 1, 4, 4}, torch::kDouble);
  pattern = (pattern - pattern.mean()) / pattern.std();
  const auto map = own.view({-1, 1, 1, 1}) + own.square().view({-1, 1, 1, 1}) * pattern;
  for (const double alpha : {0.1, 1.0}) {
    torch::manual_seed(11);
    MixStyle mix(0.5, alpha);
    int mixed_batches = 0;
    double spread = 0;
    for (int i = 0; i < 40; ++i) {
      const auto result = mix.forward(map);
      if (result.is_same(map)) continue;
      ++mixed_batches;
      const auto mean = result.mean({1, 2, 3}), deviation = result.flatten(1).std(1);
      // mean − i = (1 − λ)(j − i) and deviation − i² = (1 − λ)(j − i)(j + i)
      const auto moved = (mean - own).abs() > 1e-6;
      CHECK_TRUE(moved.sum().item<int64_t>() > kCount / 8);  // the gate opens for a whole batch
      const auto i_of = own.masked_select(moved), change = (mean - own).masked_select(moved);
      const auto partner = (deviation - own.square()).masked_select(moved) / change - i_of;
      CHECK_TRUE((partner - partner.round()).abs().lt(0.01).to(torch::kDouble).mean().item<double>() > 0.95);
      const auto lambda = 1 - change / (partner.round() - i_of);
      CHECK_TRUE(lambda.std().item<double>() > 0.1);  // not one for the batch
      // Samples with λ = 1 to rounding have not moved: theirs is (1 − 1/2)².
      const double still = static_cast<double>(kCount - i_of.size(0)) * 0.25;
      spread += ((lambda - 0.5).square().sum().item<double>() + still) / kCount;
    }
    CHECK_TRUE(mixed_batches > 10 && mixed_batches < 30);
    const double variance = 1 / (4 * (2 * alpha + 1));  // of Beta(α, α)
    CHECK_TRUE(std::abs(spread / mixed_batches - variance) < 0.02);
  }
}

static void backbones_take_them() {
  for (const auto& entry : backbones()) {
    if (!entry.name.ends_with("_test") && entry.name != "small_cnn") continue;
    const Options with(entry.name, {{"num_classes", 3.0},
                                    {"image_size", 32.0},
                                    {"seed", 5.0},
                                    {"use_cbam", true},
                                    {"use_mixstyle", true},
                                    {"mixstyle_p", 1.0}});
    auto backbone = create_backbone(entry.name, with);
    auto plain = create_backbone(entry.name, Options(entry.name, {{"num_classes", 3.0}, {"image_size", 32.0}, {"seed", 5.0}}));
    const auto names = plain->named_parameters();
    int64_t added = 0;
    for (const auto& parameter : backbone->named_parameters()) {
      if (names.contains(parameter.key())) continue;
      const bool known = parameter.key().rfind("cbam.", 0) == 0 || parameter.key().find(".cbam.") != std::string::npos;
      trivium::testing::report(known, __FILE__, __LINE__, entry.name + ": a name of its own: " + parameter.key());
      ++added;
    }
    trivium::testing::report(added > 0, __FILE__, __LINE__, entry.name + " has no CBAM");
    const auto images = torch::randn({4, 3, 32, 32});
    backbone->train();
    torch::manual_seed(1);
    const auto first = backbone->forward(images).detach();
    torch::manual_seed(2);
    trivium::testing::report(!backbone->forward(images).detach().equal(first), __FILE__, __LINE__, entry.name + " mixes no styles");
    backbone->forward(images).square().mean().backward();
    for (const auto& parameter : backbone->named_parameters()) {
      trivium::testing::report(parameter.value().grad().defined() && parameter.value().grad().isfinite().all().item<bool>(), __FILE__,
                               __LINE__, entry.name + ": no finite gradient for " + parameter.key());
    }
    backbone->eval();
    CHECK_TRUE(backbone->forward(images).equal(backbone->forward(images)));
  }
}

static void wrong_numbers_are_refused() {
  const auto make = [](std::map<std::string, OptionValue> values) {
    return create_backbone("resnet_test", Options("resnet_test", std::move(values)));
  };
  CHECK_ERROR(Config, "mixstyle_p between 0 and 1 but got 1.5", make({{"use_mixstyle", true}, {"mixstyle_p", 1.5}}));
  CHECK_ERROR(Config, "mixstyle_alpha above 0 but got 0", make({{"use_mixstyle", true}, {"mixstyle_alpha", 0.0}}));
  CHECK_ERROR(Config, "mixstyle_alpha is set but use_mixstyle is not", make({{"mixstyle_alpha", 0.2}}));
}

int main() {
  at::set_num_threads(1);
  const auto golden = trivium::testing::golden("feature_blocks.json");
  cbam_is_the_authors(golden["cbam"]);
  cbam_takes_tokens_as_a_map();
  mixstyle_is_the_authors(golden["mixstyle"]);
  mixstyle_draws();
  mixstyle_draws_lambda_for_each_sample_and_one_gate_for_the_batch();
  backbones_take_them();
  wrong_numbers_are_refused();
  return trivium::testing::finish("feature_blocks");
}
