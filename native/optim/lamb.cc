#include "optim/lamb.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <string>
#include <utility>

#include "optim/adamw.h"

namespace trivium::optim {
namespace {

constexpr auto kMean = "exp_avg";
constexpr auto kSquare = "exp_avg_sq";

class Lamb : public Optimizer {
 public:
  Lamb(std::vector<ParameterGroup> groups, AdamOptions options)
      : Optimizer(std::move(groups), [](const ParameterGroup&) { return std::vector<std::string>{kMean, kSquare}; }), options_(options) {}

 protected:
  void apply(const FusedBatch& batch, double learning_rate, bool) override {
    const auto means = batch.slot(kMean), squares = batch.slot(kSquare);
    at::_foreach_lerp_(means, batch.gradients, 1.0 - options_.beta1);
    at::_foreach_mul_(squares, options_.beta2);
    at::_foreach_addcmul_(squares, batch.gradients, batch.gradients, 1.0 - options_.beta2);
    auto updates = at::_foreach_sqrt(squares);
    std::vector<at::Scalar> corrections1, corrections2;
    for (const auto* state : batch.states) {
      const auto steps = static_cast<double>(state->steps + 1);
      corrections1.emplace_back(1.0 - std::pow(options_.beta1, steps));
      corrections2.emplace_back(std::sqrt(1.0 - std::pow(options_.beta2, steps)));
    }
    at::_foreach_div_(updates, corrections2);
    at::_foreach_add_(updates, options_.eps);
    auto directions = at::_foreach_div(means, updates);
    at::_foreach_div_(directions, corrections1);
    if (batch.group->weight_decay > 0) {
      at::_foreach_add_(directions, batch.parameters, batch.group->weight_decay);
      const auto weight_norms = at::_foreach_norm(batch.parameters, 2), direction_norms = at::_foreach_norm(directions, 2);
      for (size_t i = 0; i < directions.size(); ++i) {
        const auto trusted = (weight_norms[i] > 0).logical_and(direction_norms[i] > 0);
        directions[i].mul_(at::where(trusted, weight_norms[i] / direction_norms[i], at::ones_like(weight_norms[i])));
      }
    }
    at::_foreach_add_(batch.parameters, directions, -learning_rate);
  }

 private:
  AdamOptions options_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lamb(std::vector<ParameterGroup> groups, const Options& options) {
  return std::make_unique<Lamb>(std::move(groups), AdamOptions::read(options, "lamb", 1e-6));
}

}  // namespace trivium::optim
