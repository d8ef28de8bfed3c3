// Stochastic depth: whole samples are left out, what stays is scaled, and evaluation is the identity.
#include "nn/blocks/drop_path.h"

#include <map>
#include <set>

#include "check.h"
#include "nn/registry.h"

using namespace trivium;
using trivium::nn::DropPath;

static void drops_samples_whole_and_keeps_the_mean() {
  torch::manual_seed(1);
  DropPath drop(0.25);
  const auto branch = torch::ones({4000, 2, 3, 1}).requires_grad_();
  const auto out = drop.forward(branch);
  const auto flat = out.detach().flatten(1);
  const auto kept = flat.select(1, 0) > 0;
  CHECK_NEAR(flat, kept.to(torch::kFloat).unsqueeze(1).expand({4000, 6}) / 0.75, 1e-6);  // each sample is all 0 or all 1 / 0.75
  CHECK_TRUE(std::abs(kept.to(torch::kFloat).mean().item<double>() - 0.75) < 0.03);
  CHECK_TRUE(std::abs(out.mean().item<double>() - 1) < 0.04);
  out.sum().backward();
  CHECK_NEAR(branch.grad(), out.detach(), 1e-6);  // branch is 1, so that the factor is the result
}

static void is_the_identity_where_nothing_is_dropped() {
  const auto branch = torch::randn({3, 5});
  DropPath drop(0.9);
  drop.eval();
  CHECK_TRUE(drop.forward(branch).is_same(branch));
  DropPath none(0);
  CHECK_TRUE(none.is_training() && none.forward(branch).is_same(branch));
  CHECK_TRUE(drop.named_parameters().is_empty() && drop.named_buffers().is_empty());
}

static void keeps_type_and_layout() {
  DropPath drop(0.5);
  const auto map = torch::randn({4, 8, 3, 3}).to(torch::kBFloat16).contiguous(at::MemoryFormat::ChannelsLast);
  const auto out = drop.forward(map);
  CHECK_TRUE(out.scalar_type() == torch::kBFloat16 && out.is_contiguous(at::MemoryFormat::ChannelsLast));
}

static void draws_follow_the_seed() {
  DropPath drop(0.5);
  const auto branch = torch::ones({64, 1});
  const auto draw = [&](uint64_t seed) {
    torch::manual_seed(seed);
    return drop.forward(branch);
  };
  CHECK_TRUE(draw(3).equal(draw(3)) && !draw(3).equal(draw(4)));
}

static void the_schedule_is_a_line() {
  const Options options("net", {{"drop_path_rate", 0.3}});
  CHECK_NEAR(torch::tensor(nn::drop_path_schedule(options, 4), torch::kDouble), torch::tensor({0.0, 0.1, 0.2, 0.3}, torch::kDouble), 1e-12);
  CHECK_TRUE(nn::drop_path_schedule(options, 1) == std::vector<double>{0});
  CHECK_TRUE(nn::drop_path_schedule(Options("net", {}), 3) == std::vector<double>(3, 0));
  CHECK_ERROR(Config, "drop_path_rate of at least 0 and below 1 but got 1", nn::drop_path_schedule(Options("net", {{"drop_path_rate", 1.0}}), 2));
  CHECK_ERROR(Config, "but got -0.1", nn::drop_path_schedule(Options("net", {{"drop_path_rate", -0.1}}), 2));
  CHECK_ERROR(Config, "below 1 but got 1", DropPath(1.0));
}

// Both branches of a block have its probability; blocks are counted through all stages.
static void every_family_drops_linearly_over_its_depth() {
  const std::set<std::string> without_branches{"small_cnn", "cifar_cnn"};
  std::set<std::string> families;
  for (const auto& entry : nn::backbones()) {
    if (!entry.name.ends_with("_test") && entry.name != "small_cnn") continue;
    const Options options(entry.name, {{"num_classes", 3.0}, {"drop_path_rate", 0.3}});
    if (without_branches.contains(entry.family)) {
      CHECK_ERROR(Config, "drop_path_rate leaves out residual branches", nn::create_backbone(entry.name, options));
      continue;
    }
    const auto backbone = nn::create_backbone(entry.name, options);
    std::map<std::string, std::vector<std::string>> lines;  // blocks in order; the halves of a hybrid have a line each
    std::map<std::string, std::set<double>> rates;
    for (const auto& part : backbone->named_modules("", false)) {
      const auto drop = std::dynamic_pointer_cast<DropPath>(part.value());
      if (!drop) continue;
      const auto block = part.key().substr(0, part.key().rfind('.'));
      const auto line = entry.family == "hybrid" ? part.key().substr(0, part.key().find('.')) : "";
      if (!rates.contains(block)) lines[line].push_back(block);
      rates[block].insert(drop->probability());
    }
    for (const auto& [half, blocks] : lines) {
      trivium::testing::report(blocks.size() >= 2, __FILE__, __LINE__, entry.name + " has no line");
      for (size_t i = 0; i < blocks.size(); ++i) {
        const double expected = 0.3 * static_cast<double>(i) / static_cast<double>(blocks.size() - 1);
        const bool right = rates[blocks[i]].size() == 1 && std::abs(*rates[blocks[i]].begin() - expected) < 1e-12;
        trivium::testing::report(right, __FILE__, __LINE__, entry.name + ": " + blocks[i] + " is not on the line from 0 to 0.3");
      }
    }
    CHECK_TRUE(lines.size() == (entry.family == "hybrid" ? 2 : 1));
    families.insert(entry.family);
  }
  CHECK_TRUE(families.size() >= 8);
}

int main() {
  drops_samples_whole_and_keeps_the_mean();
  is_the_identity_where_nothing_is_dropped();
  keeps_type_and_layout();
  draws_follow_the_seed();
  the_schedule_is_a_line();
  every_family_drops_linearly_over_its_depth();
  return trivium::testing::finish("drop_path");
}
