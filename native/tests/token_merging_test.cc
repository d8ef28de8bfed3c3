// Token merging: against a slow reference, and the points where implementations usually go wrong.
#include <ATen/Parallel.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>

#include "check.h"
#include "nn/blocks/attention.h"
#include "nn/blocks/rotary.h"
#include "nn/blocks/token_merging.h"
#include "transformers.h"

using namespace trivium;
using namespace trivium::nn;
using trivium::testing::kHeadWidth;
using trivium::testing::kWidth;
using trivium::testing::network;
using trivium::testing::start;

namespace {

struct Slow {
  torch::Tensor tokens, sizes, positions;       // [T', D], [T'], [T', 2]
  std::vector<std::vector<int64_t>> patches;    // of each token
};

/// One item of a batch, one pair of tokens at a time; [T, …] without prefix.
Slow merged_slowly(const Slow& before, const torch::Tensor& keys, int64_t r) {
  const int64_t count = before.tokens.size(0);
  std::vector<std::array<double, 3>> edges;  // similarity, first, second
  for (int64_t i = 1; i < count; i += 2) {
    std::array<double, 3> best{-2, 0, 0};
    for (int64_t j = 0; j < count; j += 2) {
      const double similarity = at::cosine_similarity(keys[i].to(torch::kDouble), keys[j].to(torch::kDouble), 0).item<double>();
      if (similarity > best[0]) best = {similarity, static_cast<double>(i), static_cast<double>(j)};
    }
    edges.push_back(best);
  }
  std::sort(edges.begin(), edges.end(), [](const auto& a, const auto& b) { return a[0] > b[0]; });
  std::vector<std::vector<int64_t>> groups;
  std::vector<int64_t> kept;
  for (size_t i = r; i < edges.size(); ++i) kept.push_back(static_cast<int64_t>(edges[i][1]));
  std::sort(kept.begin(), kept.end());
  for (const auto i : kept) groups.push_back({i});
  for (int64_t j = 0; j < count; j += 2) {
    groups.push_back({j});
    for (int64_t i = 0; i < r; ++i) {
      if (static_cast<int64_t>(edges[i][2]) == j) groups.back().push_back(static_cast<int64_t>(edges[i][1]));
    }
  }
  Slow after;
  std::vector<torch::Tensor> tokens, sizes, positions;
  for (const auto& group : groups) {
    auto token = torch::zeros_like(before.tokens[0]), size = torch::zeros({}), position = torch::zeros({2});
    std::vector<int64_t> patches;
    for (const auto i : group) {
      token = token + before.tokens[i] * before.sizes[i];
      position = position + before.positions[i] * before.sizes[i];
      size = size + before.sizes[i];
      patches.insert(patches.end(), before.patches[i].begin(), before.patches[i].end());
    }
    tokens.push_back(token / size);
    positions.push_back(position / size);
    sizes.push_back(size);
    after.patches.push_back(patches);
  }
  after.tokens = torch::stack(tokens);
  after.sizes = torch::stack(sizes);
  after.positions = torch::stack(positions);
  return after;
}

}  // namespace

static void agrees_with_a_slow_reference() {
  torch::manual_seed(1);
  for (const auto& [prefix, patches] : {std::pair<int64_t, int64_t>{1, 16}, {5, 15}, {0, 9}}) {
    auto tokens = torch::randn({2, prefix + patches, kWidth});
    auto state = start(prefix, patches);
    std::vector<Slow> slow(2);
    for (int64_t n = 0; n < 2; ++n) {
      slow[n] = {tokens[n].slice(0, prefix), torch::ones({patches}), state.positions[0], {}};
      for (int64_t i = 0; i < patches; ++i) slow[n].patches.push_back({i});
    }
    const auto front = tokens.slice(1, 0, prefix);
    for (const int64_t r : {3, 2, 2}) {  // the second and third merges see tokens of several patches
      const auto keys = torch::randn({2, tokens.size(1), kHeadWidth});
      tokens = merge_tokens(tokens, keys, r, state);
      CHECK_TRUE(tokens.slice(1, 0, prefix).equal(front));
      for (int64_t n = 0; n < 2; ++n) {
        slow[n] = merged_slowly(slow[n], keys[n].slice(0, prefix), r);
        CHECK_NEAR(tokens[n].slice(0, prefix), slow[n].tokens, 1e-5);
        CHECK_NEAR(state.sizes[n].squeeze(1), slow[n].sizes, 1e-6);
        CHECK_NEAR(state.positions[n], slow[n].positions, 1e-5);
        for (size_t t = 0; t < slow[n].patches.size(); ++t) {
          for (const auto patch : slow[n].patches[t]) CHECK_TRUE(state.origin[n][patch].item<int64_t>() == static_cast<int64_t>(t));
        }
      }
    }
    const auto back = unmerge_tokens(tokens, state);
    CHECK_TRUE(back.size(1) == prefix + patches);
    for (int64_t i = 0; i < patches; ++i) {
      CHECK_TRUE(back[0][prefix + i].equal(tokens[0][prefix + state.origin[0][i].item<int64_t>()]));
    }
  }
}

static void a_class_token_and_196_patches() {
  torch::manual_seed(2);
  auto tokens = torch::randn({1, 197, kWidth});
  auto state = start(1, 196);
  std::vector<int64_t> counts;
  for (int block = 0; block < 12; ++block) {
    tokens = merge_tokens(tokens, torch::randn({1, tokens.size(1), kHeadWidth}), 16, state);
    counts.push_back(tokens.size(1));
    CHECK_NEAR(state.sizes.sum() + 1, torch::tensor(197.0f), 1e-6);
  }
  // The last step is cut to half of the 20 image tokens.
  CHECK_TRUE((counts == std::vector<int64_t>{181, 165, 149, 133, 117, 101, 85, 69, 53, 37, 21, 11}));
}

static void schedules() {
  const auto falling = merging_schedule(12, 16, -1);
  CHECK_TRUE((falling == std::vector<int64_t>{32, 29, 26, 23, 20, 17, 14, 11, 8, 5, 2, 0}));
  CHECK_TRUE((merging_schedule(12, 16, 0) == std::vector<int64_t>(12, 16)));
  auto rising = falling;
  std::reverse(rising.begin(), rising.end());
  CHECK_TRUE((merging_schedule(12, 16, 1) == rising));
  CHECK_TRUE((merging_schedule(1, 3, -1) == std::vector<int64_t>{3}));
  auto tokens = torch::randn({1, 197, kWidth});
  auto state = start(1, 196);
  std::vector<int64_t> counts;
  for (const auto r : falling) {
    tokens = merge_tokens(tokens, torch::randn({1, tokens.size(1), kHeadWidth}), r, state);
    counts.push_back(tokens.size(1));
  }
  CHECK_TRUE((counts == std::vector<int64_t>{165, 136, 110, 87, 67, 50, 36, 25, 17, 12, 10, 10}));

  // token_merging_ratio 0.5 of 196 patches over 12 blocks: 98 / 12 = 8.17.
  CHECK_TRUE(merged_per_block(0.5, 196, 12) == 8 && merged_per_block(0, 196, 12) == 0 && merged_per_block(1, 196, 12) == 16);
}

static void merging_nothing_changes_nothing() {
  const auto tokens = torch::randn({2, 9, kWidth}), keys = torch::randn({2, 9, kHeadWidth});
  auto state = start(1, 8);
  const auto positions = state.positions;
  const auto result = merge_tokens(tokens, keys, 0, state);
  CHECK_TRUE(result.is_same(tokens) && !state.sizes.defined() && !state.origin.defined() && state.positions.is_same(positions));
  CHECK_TRUE(unmerge_tokens(tokens, state).is_same(tokens));
  // One image token has no partner.
  auto alone = start(1, 1);
  CHECK_TRUE(merge_tokens(tokens.slice(1, 0, 2), keys.slice(1, 0, 2), 4, alone).size(1) == 2);
}

static void gradients_pass_the_means_and_not_the_matching() {
  torch::manual_seed(3);
  const auto tokens = torch::randn({1, 7, kWidth}, torch::kDouble).requires_grad_();
  const auto keys = torch::randn({1, 7, kHeadWidth}).requires_grad_();
  const auto weight = torch::randn({1, 5, kWidth}, torch::kDouble);
  auto state = start(1, 6);
  (merge_tokens(tokens, keys, 2, state) * weight).sum().backward();
  CHECK_TRUE(!keys.grad().defined());
  // Every patch receives its token's gradient, divided among the patches of that token.
  const auto each = (weight.slice(1, 1) / state.sizes).gather(1, state.origin.unsqueeze(2).expand({-1, -1, kWidth}));
  CHECK_NEAR(tokens.grad(), torch::cat({weight.slice(1, 0, 1), each}, 1), 1e-12);
}

// A token of three patches draws the attention that three equal tokens draw.
static void attention_is_proportional() {
  torch::manual_seed(4);
  for (const auto layout : {AttentionShape::Layout::Fused, AttentionShape::Layout::NoKeyBias, AttentionShape::Layout::Separate}) {
    Attention attention({kWidth, 2, layout});
    const auto tokens = torch::randn({2, 4, kWidth});
    TokenState state;
    state.prefix = 1;
    state.sizes = torch::tensor({1.0f, 3.0f, 2.0f}).view({1, 3, 1}).expand({2, 3, 1});
    const auto merged = attention.forward(tokens, state, nullptr);
    const auto repeats = torch::tensor({1, 1, 3, 2});
    const auto plain = attention.forward(tokens.repeat_interleave(repeats, 1));
    CHECK_NEAR(merged, plain.index_select(1, torch::tensor({0, 1, 2, 5})), 1e-5);
  }
}

// The metric of the paper (section 3): keys as attention has them, averaged over the heads.
static void tokens_are_compared_by_the_mean_of_their_keys() {
  torch::manual_seed(6);
  for (const auto layout : {AttentionShape::Layout::Fused, AttentionShape::Layout::Separate}) {
    Attention attention({kWidth, 2, layout});
    const auto tokens = torch::randn({2, 5, kWidth});
    const auto weights = attention.named_parameters();
    const bool fused = layout == AttentionShape::Layout::Fused;
    auto keys = at::linear(tokens, fused ? weights["qkv.weight"].slice(0, kWidth, 2 * kWidth) : weights["k_proj.weight"]);
    if (fused) keys = keys + weights["qkv.bias"].slice(0, kWidth, 2 * kWidth);
    torch::Tensor seen;
    attention.forward(tokens, {}, &seen);
    CHECK_NEAR(seen, (keys.slice(2, 0, kHeadWidth) + keys.slice(2, kHeadWidth)) / 2, 1e-6);
    CHECK_TRUE(!seen.requires_grad());
  }
}

static void tokens_are_merged_between_attention_and_mlp() {
  torch::manual_seed(7);
  BlockShape shape;
  shape.attention = {kWidth, 2, AttentionShape::Layout::Fused};
  shape.mlp = {MlpShape::Kind::Gelu, kWidth, 16, false, 1e-6};
  shape.merged = 3;
  TransformerBlock block(shape);
  const auto norm = [&](const char* name) {
    return std::dynamic_pointer_cast<torch::nn::LayerNormImpl>(block.named_children()[name]);
  };
  const auto tokens = torch::randn({2, 9, kWidth});
  auto state = start(1, 8), other = state;
  torch::Tensor keys;
  const auto mixed = tokens + block.attention().forward(norm("norm1")->forward(tokens), state, &keys);
  const auto merged = merge_tokens(mixed, keys, 3, state);
  CHECK_NEAR(block.forward(tokens, other), merged + block.mlp().forward(norm("norm2")->forward(merged)), 1e-6);
  CHECK_TRUE(merged.size(1) == 6 && other.sizes.equal(state.sizes));
}

// A merged token is turned by where it stands, not by where its place in the sequence used to be.
static void rotation_follows_the_tokens() {
  for (const bool halves : {false, true}) {
    RotaryShape shape{RotaryShape::Grid::Reference, 16, 10000, halves};
    Rotary rotary(shape, kHeadWidth, 4);
    TokenState whole;
    whole.prefix = 1;
    rotary.start(whole, torch::kCPU);
    const auto queries = torch::randn({1, 1, 17, kHeadWidth});
    const auto turned = rotary.apply(queries, whole);
    CHECK_TRUE(turned.select(2, 0).equal(queries.select(2, 0)));  // the prefix stands nowhere
    CHECK_NEAR(turned.norm(2, -1), queries.norm(2, -1), 1e-5);

    // Tokens 5 and 11 alone, in this order.
    TokenState some = whole;
    some.positions = whole.positions.index_select(1, torch::tensor({5, 11}));
    rotary.turn(some);
    const auto picked = torch::tensor({0, 6, 12});
    CHECK_NEAR(rotary.apply(queries.index_select(2, picked), some), turned.index_select(2, picked), 1e-6);

    // Merging all into one: the middle of the image, which an odd grid has a patch at.
    TokenState merged = whole;
    merge_tokens(torch::randn({1, 17, kWidth}), torch::randn({1, 17, kHeadWidth}), 4, merged);
    const auto middle = (merged.positions * merged.sizes).sum(1) / 16.0;
    CHECK_NEAR(middle, whole.positions.mean(1), 1e-5);
  }
}

static void networks_merge() {
  torch::manual_seed(5);
  for (const std::string name : {"vit_test", "dinov2_test", "dinov3_test", "eva02_test", "eva02_packed_test", "eva_test"}) {
    const auto plain = network(name), merging = network(name, {{"token_merging_ratio", 0.5}}), none = network(name, {{"token_merging_ratio", 0.0}});
    for (const auto& model : {plain, merging, none}) model->eval();
    const int64_t side = plain->preprocessing().image_size;
    const auto images = torch::randn({2, 3, side, side});
    CHECK_TRUE((merging->merged() == std::vector<int64_t>{4, 4}));  // half of 16 patches in 2 blocks
    const auto expected = plain->forward_features(images), actual = merging->forward_features(images);
    CHECK_TRUE(none->forward_features(images).equal(expected));
    CHECK_TRUE(actual.sizes() == expected.sizes() && !actual.equal(expected));
    // 16 patches share 8 tokens.
    const auto image_tokens = actual[0].slice(0, expected.size(1) - 16);
    CHECK_TRUE(std::get<0>(at::unique_dim(image_tokens, 0)).size(0) == 8);
    // Other images get other matches: the result of one does not depend on its neighbours.
    CHECK_NEAR(merging->forward_features(images.slice(0, 1)), actual.slice(0, 1), 1e-5);

    merging->train();
    merging->forward(images).square().sum().backward();
    for (const auto& entry : merging->named_parameters()) {
      trivium::testing::report(entry.value().grad().defined() && entry.value().grad().isfinite().all().item<bool>(), __FILE__, __LINE__,
                               name + ": no finite gradient for " + entry.key());
    }
  }
  // Equal tokens merged in pairs stay what they were: a constant image goes through all but unchanged.
  const auto plain = network("vit_test"), merging = network("vit_test", {{"token_merging_ratio", 0.5}});
  torch::NoGradGuard no_grad;
  for (const auto& model : {plain, merging}) {
    model->named_parameters()["pos_embed"].zero_();
    model->eval();
  }
  const auto constant = torch::full({1, 3, 32, 32}, 0.7);
  CHECK_NEAR(merging->forward_features(constant), plain->forward_features(constant), 1e-5);
}

// All of it at once, drop path too, with and without keeping activations.
static void checkpointing_changes_nothing() {
  for (const std::string name : {"vit_test", "dinov2_swiglu_test", "dinov3_test", "eva02_test"}) {
    const auto gradients = [&](bool checkpoint) {
      const auto model = network(name, {{"token_learner_tokens", 4.0},
                                        {"token_merging_ratio", 0.25},
                                        {"drop_path_rate", 0.4},
                                        {"gradient_checkpointing", checkpoint}});
      torch::manual_seed(8);
      const int64_t side = model->preprocessing().image_size;
      const auto loss = model->forward(torch::randn({6, 3, side, side})).square().mean();
      loss.backward();
      std::vector<torch::Tensor> seen{loss.detach()};
      for (const auto& parameter : model->parameters()) seen.push_back(parameter.grad());
      return seen;
    };
    const auto plain = gradients(false), checkpointed = gradients(true);
    for (size_t i = 0; i < plain.size(); ++i) CHECK_NEAR(checkpointed[i], plain[i], 1e-6);
  }
}

static void drop_path_is_for_training() {
  const auto plain = network("dinov2_test"), dropping = network("dinov2_test", {{"drop_path_rate", 0.9}});
  const auto images = torch::randn({32, 3, 32, 32});
  plain->eval();
  dropping->eval();
  CHECK_TRUE(dropping->forward(images).equal(plain->forward(images)));
  dropping->train();
  // LayerScale of 1e-5 hides what the branches do.
  torch::NoGradGuard no_grad;
  for (const auto& model : {plain, dropping}) {
    for (auto& entry : model->named_parameters()) {
      if (entry.key().ends_with("gamma")) entry.value().fill_(1);
    }
  }
  CHECK_TRUE(!dropping->forward(images).equal(plain->forward(images)));
}

static void what_makes_no_sense_is_refused() {
  CHECK_ERROR(Config, "is a convolutional network, which has no tokens",
              create_backbone("resnet_test", Options("resnet_test", {{"token_merging_ratio", 0.5}})));
  CHECK_ERROR(Config, "is a convolutional network, which has no tokens",
              create_backbone("small_cnn", Options("small_cnn", {{"token_learner_tokens", 4.0}})));
  CHECK_ERROR(Config, "attends within windows of a fixed grid",
              create_backbone("swinv2_test", Options("swinv2_test", {{"token_merging_ratio", 0.5}})));
  CHECK_ERROR(Config, "token_merging_ratio between 0 and 1 but got 1.5", network("vit_test", {{"token_merging_ratio", 1.5}}));
  CHECK_ERROR(Config, "which is not set", network("vit_test", {{"token_merging_inflection", -1.0}}));
  CHECK_ERROR(Config, "less than one token a block", network("vit_test", {{"token_merging_ratio", 0.01}}));
  CHECK_ERROR(Config, "token_merging_inflection between -1 and 1",
              network("vit_test", {{"token_merging_ratio", 0.5}, {"token_merging_inflection", 2.0}}));
  CHECK_ERROR(Config, "fewer than the image's 16 patches, but got 16", network("vit_test", {{"token_learner_tokens", 16.0}}));
  CHECK_ERROR(Config, "drop_path_rate", network("vit_test", {{"drop_path_rate", 1.0}}));
}

int main() {
  at::set_num_threads(1);
  agrees_with_a_slow_reference();
  a_class_token_and_196_patches();
  schedules();
  merging_nothing_changes_nothing();
  gradients_pass_the_means_and_not_the_matching();
  attention_is_proportional();
  tokens_are_compared_by_the_mean_of_their_keys();
  tokens_are_merged_between_attention_and_mlp();
  rotation_follows_the_tokens();
  networks_merge();
  checkpointing_changes_nothing();
  drop_path_is_for_training();
  what_makes_no_sense_is_refused();
  return trivium::testing::finish("token_merging");
}
