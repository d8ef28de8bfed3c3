#include "optim/sgd.h"

#include <ATen/ops/_fused_sgd.h>

#include <string>
#include <utility>

#include "core/error.h"
#include "optim/slots.h"

namespace trivium::optim {
namespace {

class Sgd : public Optimizer {
 public:
  Sgd(std::vector<ParameterGroup> groups, double momentum, double dampening, bool nesterov)
      : Optimizer(std::move(groups)),
        momentum_(momentum),
        dampening_(dampening),
        nesterov_(nesterov),
        slots_(groups_, momentum > 0 ? std::vector<std::string>{"momentum_buffer"} : std::vector<std::string>{}) {}

  void step(double learning_rate) override {
    slots_.for_each_batch(learning_rate, [&](const FusedBatch& batch, bool first) {
      std::vector<torch::Tensor> momenta;
      if (momentum_ > 0) {
        for (const auto* state : batch.states) momenta.push_back(state->slots[0]);
      }
      at::_fused_sgd_(batch.parameters, batch.gradients, momenta, batch.group->weight_decay, momentum_,
                      learning_rate * batch.group->learning_rate_scale, dampening_, nesterov_, /*maximize=*/false,
                      /*is_first_step=*/first && momentum_ > 0);
    });
  }

  std::map<std::string, torch::Tensor> state() const override { return slots_.state(); }
  void load_state(const std::map<std::string, torch::Tensor>& state) override { slots_.load(state); }

 private:
  double momentum_, dampening_;
  bool nesterov_;
  Slots slots_;
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
