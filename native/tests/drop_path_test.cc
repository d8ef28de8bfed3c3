// Stochastic depth: whole samples are left out, what stays is scaled, and evaluation is the identity.
#include "nn/blocks/drop_path.h"

#include "check.h"

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

int main() {
  drops_samples_whole_and_keeps_the_mean();
  is_the_identity_where_nothing_is_dropped();
  keeps_type_and_layout();
  draws_follow_the_seed();
  the_schedule_is_a_line();
  return trivium::testing::finish("drop_path");
}
