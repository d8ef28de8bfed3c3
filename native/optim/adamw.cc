#include "optim/adamw.h"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/scalar_tensor.h>

#include <utility>

#include "core/error.h"
#include "optim/slots.h"

namespace trivium::optim {
namespace {

class AdamW : public Optimizer {
 public:
  AdamW(std::vector<ParameterGroup> groups, double beta1, double beta2, double eps)
      : Optimizer(std::move(groups)), beta1_(beta1), beta2_(beta2), eps_(eps), slots_(groups_, {"exp_avg", "exp_avg_sq"}) {}

  void step(double learning_rate) override {
    slots_.for_each_batch(learning_rate, [&](const FusedBatch& batch, bool) {
      std::vector<torch::Tensor> averages, squares, steps;
      for (size_t i = 0; i < batch.states.size(); ++i) {
        averages.push_back(batch.states[i]->slots[0]);
        squares.push_back(batch.states[i]->slots[1]);
        // The kernel wants the count that includes this update, as a float tensor of its device (exact up to 2²⁴ updates).
        const auto options = batch.parameters[i].options().dtype(torch::kFloat);
        steps.push_back(at::scalar_tensor(static_cast<double>(batch.states[i]->steps + 1), options));
      }
      at::_fused_adamw_(batch.parameters, batch.gradients, averages, squares, /*max_exp_avg_sqs=*/{}, steps,
                        learning_rate * batch.group->learning_rate_scale, beta1_, beta2_, batch.group->weight_decay, eps_,
                        /*amsgrad=*/false, /*maximize=*/false);
    });
  }

  std::map<std::string, torch::Tensor> state() const override { return slots_.state(); }
  void load_state(const std::map<std::string, torch::Tensor>& state) override { slots_.load(state); }

 private:
  double beta1_, beta2_, eps_;
  Slots slots_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups, const Options& options) {
  const double beta1 = options.number("beta1", 0.9);
  const double beta2 = options.number("beta2", 0.999);
  const double eps = options.number("eps", 1e-8);
  if (!(beta1 >= 0 && beta1 < 1)) throw error(ErrorKind::Config, "adamw: expected beta1 in [0, 1) but got ", beta1);
  if (!(beta2 >= 0 && beta2 < 1)) throw error(ErrorKind::Config, "adamw: expected beta2 in [0, 1) but got ", beta2);
  if (!(eps > 0)) throw error(ErrorKind::Config, "adamw: expected eps above 0 but got ", eps);
  return std::make_unique<AdamW>(std::move(groups), beta1, beta2, eps);
}

}  // namespace trivium::optim
