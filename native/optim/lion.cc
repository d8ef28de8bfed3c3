#include "optim/lion.h"

#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_sign.h>

#include <string>
#include <utility>

#include "core/error.h"

namespace trivium::optim {
namespace {

constexpr auto kMean = "exp_avg";

class Lion : public Optimizer {
 public:
  Lion(std::vector<ParameterGroup> groups, double beta1, double beta2)
      : Optimizer(std::move(groups), [](const ParameterGroup&) { return std::vector<std::string>{kMean}; }),
        beta1_(beta1),
        beta2_(beta2) {}

 protected:
  void apply(const FusedBatch& batch, double learning_rate, bool) override {
    const auto means = batch.slot(kMean);
    auto directions = at::_foreach_lerp(means, batch.gradients, 1.0 - beta1_);
    at::_foreach_sign_(directions);
    at::_foreach_mul_(batch.parameters, 1.0 - learning_rate * batch.group->weight_decay);
    at::_foreach_add_(batch.parameters, directions, -learning_rate);
    at::_foreach_lerp_(means, batch.gradients, 1.0 - beta2_);
  }

 private:
  double beta1_, beta2_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lion(std::vector<ParameterGroup> groups, const Options& options) {
  const double beta1 = options.number("beta1", 0.9);
  const double beta2 = options.number("beta2", 0.99);
  if (!(beta1 >= 0 && beta1 < 1)) throw error(ErrorKind::Config, "lion: expected beta1 in [0, 1) but got ", beta1);
  if (!(beta2 >= 0 && beta2 < 1)) throw error(ErrorKind::Config, "lion: expected beta2 in [0, 1) but got ", beta2);
  return std::make_unique<Lion>(std::move(groups), beta1, beta2);
}

}  // namespace trivium::optim
