// The tiled contrastive loss: the double loop's value, finite differences, any size of tile, a memory.
#include "kernels/supcon.h"

#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <utility>

#include "check.h"

using namespace trivium;
using kernels::ContrastMemory;
using kernels::supcon_loss;

static torch::Tensor unit(int64_t count, int64_t width, torch::ScalarType type = torch::kDouble) {
  const auto rows = torch::randn({count, width}, type);
  return rows / rows.norm(2, 1, true);
}

/// Equation 2 as it stands, row by row.
static double slow(const torch::Tensor& rows, const torch::Tensor& labels, double temperature, const ContrastMemory& memory = {}) {
  const auto all = memory.embeddings.defined() ? torch::cat({rows, memory.embeddings}) : rows;
  const auto classes = memory.labels.defined() ? torch::cat({labels, memory.labels}) : labels;
  double total = 0;
  int64_t anchors = 0;
  for (int64_t i = 0; i < rows.size(0); ++i) {
    double denominator = 0, pulled = 0;
    int64_t positives = 0;
    for (int64_t a = 0; a < all.size(0); ++a) {
      if (a == i) continue;
      const double product = (rows[i] * all[a]).sum().item<double>() / temperature;
      denominator += std::exp(product);
      if (classes[a].item<int64_t>() != labels[i].item<int64_t>()) continue;
      pulled += product;
      ++positives;
    }
    if (positives == 0) continue;
    total += std::log(denominator) - pulled / static_cast<double>(positives);
    ++anchors;
  }
  return anchors == 0 ? 0 : total / static_cast<double>(anchors);
}

static void equals_the_double_loop() {
  torch::manual_seed(3);
  const auto rows = unit(23, 6);
  const auto labels = torch::randint(0, 7, {23}, torch::kLong);
  labels[4] = 99;  // without a positive
  const ContrastMemory memory{unit(17, 6), torch::randint(0, 9, {17}, torch::kLong)};
  for (const double temperature : {0.07, 0.5}) {
    for (const int64_t tile : {0, 1, 4, 5, 23, 64}) {
      CHECK_TRUE(std::abs(supcon_loss(rows, labels, temperature, {}, tile).item<double>() - slow(rows, labels, temperature)) < 1e-10);
      CHECK_TRUE(std::abs(supcon_loss(rows, labels, temperature, memory, tile).item<double>() - slow(rows, labels, temperature, memory)) < 1e-10);
    }
  }
}

/// In tiles of 3, and in one tile.
static void gradients_match_finite_differences() {
  torch::manual_seed(4);
  const auto labels = torch::tensor({0, 1, 0, 2, 1, 0, 3}, torch::kLong);
  const ContrastMemory memory{unit(5, 4), torch::tensor({0, 3, 3, 1, 8}, torch::kLong)};
  for (const auto& [past, tile] : {std::pair{ContrastMemory{}, 3}, {memory, 3}, {ContrastMemory{}, 7}, {memory, 7}}) {
    auto rows = unit(7, 4).requires_grad_();
    const auto loss = supcon_loss(rows, labels, 0.2, past, tile);
    CHECK_TRUE(std::abs(loss.item<double>() - slow(rows.detach(), labels, 0.2, past)) < 1e-10);
    (loss * 1.7).backward();
    const auto gradient = rows.grad().clone();
    torch::NoGradGuard no_grad;
    auto numeric = torch::zeros_like(gradient), flat = rows.detach().view(-1);
    for (int64_t i = 0; i < flat.numel(); ++i) {
      const double kept = flat[i].item<double>(), step = 1e-6;
      flat[i] = kept + step;
      const double above = supcon_loss(rows, labels, 0.2, past, tile).item<double>();
      flat[i] = kept - step;
      const double below = supcon_loss(rows, labels, 0.2, past, tile).item<double>();
      flat[i] = kept;
      numeric.view(-1)[i] = 1.7 * (above - below) / (2 * step);
    }
    CHECK_NEAR(gradient, numeric, 1e-7);
  }
}

/// One tile makes its gradient in the forward pass: as precise as tiles do, also where autocast is on.
static void one_tile_agrees_with_many() {
  torch::manual_seed(5);
  const auto values = unit(48, 16, torch::kFloat);
  const auto labels = torch::arange(48).remainder(5);
  const auto run = [&](int64_t tile, double temperature) {
    auto rows = values.clone().requires_grad_();
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::set_autocast_dtype(at::kCPU, torch::kBFloat16);
    const auto loss = supcon_loss(rows, labels, temperature, {}, tile);
    loss.backward();
    at::autocast::set_autocast_enabled(at::kCPU, false);
    at::autocast::clear_cache();
    return std::pair{loss.detach(), rows.grad()};
  };
  for (const double temperature : {0.1, 0.002}) {  // with the second, exponentials of float32 overflow
    const auto one = run(48, temperature), many = run(16, temperature);
    CHECK_NEAR(one.first, many.first, 1e-5);
    CHECK_NEAR(one.second, many.second, 1e-4);
  }
}

static void edges() {
  const auto same = torch::ones({16, 3}) / std::sqrt(3.0F);
  CHECK_TRUE(std::abs(supcon_loss(same, torch::zeros({16}, torch::kLong), 0.1).item<double>() - std::log(15.0)) < 1e-5);
  auto lonely = unit(5, 3, torch::kFloat).requires_grad_();
  const auto none = supcon_loss(lonely, torch::arange(5), 0.1);
  none.backward();
  CHECK_TRUE(none.item<double>() == 0);
  CHECK_NEAR(lonely.grad(), torch::zeros({5, 3}), 0.0);
  // at this temperature the exponentials of float32 overflow, and those relative to a bound for all rows underflow
  auto cold = unit(40, 8, torch::kFloat).requires_grad_();
  const auto labels = torch::arange(40).remainder(5);
  const auto loss = supcon_loss(cold, labels, 0.002, {}, 8);
  loss.backward();
  CHECK_TRUE(std::isfinite(loss.item<double>()) && cold.grad().isfinite().all().item<bool>());
  CHECK_TRUE(std::abs(loss.item<double>() - supcon_loss(cold.detach().to(torch::kDouble), labels, 0.002).item<double>()) < 1e-3);
  CHECK_ERROR(Shape, "Repeat the labels once a view", supcon_loss(same, torch::zeros({8}, torch::kLong), 0.1));
  CHECK_ERROR(Shape, "at least 2 embeddings, got 1", supcon_loss(same.narrow(0, 0, 1), torch::zeros({1}, torch::kLong), 0.1));
  CHECK_ERROR(Shape, "memory of 3 features", supcon_loss(same, torch::zeros({16}, torch::kLong), 0.1, {torch::ones({2, 4}), torch::zeros({2}, torch::kLong)}));
  CHECK_ERROR(Config, "temperature above 0", supcon_loss(same, torch::zeros({16}, torch::kLong), 0));
  CHECK_ERROR(Shape, "float32 or float64", supcon_loss(same.to(torch::kHalf), torch::zeros({16}, torch::kLong), 0.1));
}

static void autocast_changes_nothing() {
  const auto rows = unit(30, 16, torch::kFloat);
  const auto labels = torch::arange(30).remainder(4);
  const auto exact = supcon_loss(rows, labels, 0.1);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  at::autocast::set_autocast_dtype(at::kCPU, torch::kBFloat16);
  const auto mixed = supcon_loss(rows, labels, 0.1);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  CHECK_NEAR(mixed, exact, 0.0);
}

int main() {
  equals_the_double_loop();
  gradients_match_finite_differences();
  one_tile_agrees_with_many();
  edges();
  autocast_changes_nothing();
  return trivium::testing::finish("supcon");
}
