#include "optim/muon.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/error.h"
#include "optim/adamw.h"

namespace trivium::optim {
namespace {

constexpr auto kMomentum = "momentum_buffer";
constexpr int kIterations = 5;
// The quintic a·x + b·x³ + c·x⁵ with the steepest slope at 0 that keeps singular values near 1.
constexpr double kA = 3.4445, kB = -4.7750, kC = 2.0315;
constexpr double kSmallestNorm = 1e-7;

class Muon : public Optimizer {
 public:
  Muon(std::vector<ParameterGroup> groups, double momentum, bool nesterov, AdamOptions options)
      : Optimizer(std::move(groups),
                  [](const ParameterGroup& group) {
                    return group.orthogonalize ? std::vector<std::string>{kMomentum} : std::vector<std::string>{"exp_avg", "exp_avg_sq"};
                  }),
        momentum_(momentum),
        nesterov_(nesterov),
        options_(options) {}

 protected:
  void apply(const FusedBatch& batch, double learning_rate, bool) override {
    if (!batch.group->orthogonalize) {
      adamw_update(batch, learning_rate, options_);
      return;
    }
    const auto momenta = batch.slot(kMomentum);
    for (size_t i = 0; i < batch.parameters.size(); ++i) {
      auto momentum = momenta[i];
      momentum.lerp_(batch.gradients[i], 1.0 - momentum_);
      const auto direction = nesterov_ ? batch.gradients[i].lerp(momentum, momentum_) : momentum;
      const auto matrix = direction.reshape({direction.size(0), -1});
      const double size = 0.2 * std::sqrt(static_cast<double>(std::max(matrix.size(0), matrix.size(1))));
      auto parameter = batch.parameters[i];
      parameter.mul_(1.0 - learning_rate * batch.group->weight_decay);
      parameter.add_(orthogonalized(matrix).reshape(parameter.sizes()), -learning_rate * size);
    }
  }

 private:
  double momentum_;
  bool nesterov_;
  AdamOptions options_;
};

}  // namespace

torch::Tensor orthogonalized(const torch::Tensor& matrix) {
  const bool tall = matrix.size(0) > matrix.size(1);
  const auto type = matrix.is_cpu() ? matrix.scalar_type() : torch::kBFloat16;
  auto x = (tall ? matrix.t() : matrix).to(type);
  x = x / x.norm().clamp_min(kSmallestNorm);
  for (int i = 0; i < kIterations; ++i) {
    const auto gram = at::mm(x, x.t());
    const auto polynomial = at::addmm(gram, gram, gram, kB, kC);  // b·A + c·A²
    x = at::addmm(x, polynomial, x, kA, 1.0);
  }
  return (tall ? x.t() : x).to(matrix.scalar_type());
}

std::unique_ptr<Optimizer> make_muon(std::vector<ParameterGroup> groups, const Options& options) {
  const double momentum = options.number("momentum", 0.95);
  const bool nesterov = options.boolean("nesterov", true);
  if (!(momentum >= 0 && momentum < 1)) throw error(ErrorKind::Config, "muon: expected momentum in [0, 1) but got ", momentum);
  for (const auto& group : groups) {
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      if (group.orthogonalize && group.parameters[i].dim() < 2) {
        throw error(ErrorKind::Config, "muon: expected \"", group.names[i], "\", which is to be orthogonalised, to have rows and columns");
      }
    }
  }
  return std::make_unique<Muon>(std::move(groups), momentum, nesterov, AdamOptions::read(options, "muon", 1e-8));
}

}  // namespace trivium::optim
