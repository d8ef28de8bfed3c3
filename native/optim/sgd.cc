#include "optim/sgd.h"

#include <ATen/ops/_fused_sgd.h>

#include <string>
#include <utility>

#include "core/error.h"

namespace trivium::optim {
namespace {

constexpr auto kMomentum = "momentum_buffer";

class Sgd : public Optimizer {
 public:
  Sgd(std::vector<ParameterGroup> groups, double momentum, double dampening, bool nesterov)
      : Optimizer(std::move(groups),
                  [momentum](const ParameterGroup&) {
                    return momentum > 0 ? std::vector<std::string>{kMomentum} : std::vector<std::string>{};
                  }),
        momentum_(momentum),
        dampening_(dampening),
        nesterov_(nesterov) {}

 protected:
  void apply(const FusedBatch& batch, double learning_rate, bool first) override {
    at::_fused_sgd_(batch.parameters, batch.gradients, momentum_ > 0 ? batch.slot(kMomentum) : std::vector<torch::Tensor>{},
                    batch.group->weight_decay, momentum_, learning_rate, dampening_, nesterov_, /*maximize=*/false,
                    /*is_first_step=*/first && momentum_ > 0);
  }

 private:
  double momentum_, dampening_;
  bool nesterov_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(std::vector<ParameterGroup> groups, const Options& options) {
  const double momentum = options.number("momentum", 0.9);
  const double dampening = options.number("dampening", 0.0);
  const bool nesterov = options.boolean("nesterov", false);
  if (!(momentum >= 0 && momentum < 1)) throw error(ErrorKind::Config, "sgd: expected momentum in [0, 1) but got ", momentum);
  if (!(dampening >= 0 && dampening <= 1)) throw error(ErrorKind::Config, "sgd: expected dampening in [0, 1] but got ", dampening);
  if (nesterov && (momentum == 0 || dampening != 0)) {
    throw error(ErrorKind::Config, "sgd: nesterov needs a momentum above 0 and a dampening of 0 but got momentum ", momentum,
                " and dampening ", dampening);
  }
  return std::make_unique<Sgd>(std::move(groups), momentum, dampening, nesterov);
}

}  // namespace trivium::optim
