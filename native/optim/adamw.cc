#include "optim/adamw.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "optim/kernels/state_pass.h"

namespace trivium::optim {
namespace {

constexpr auto kMean = "exp_avg";
constexpr auto kSquare = "exp_avg_sq";

bool is_plain(const torch::Tensor& tensor, const torch::Tensor& like) {
  return tensor.is_cpu() && tensor.scalar_type() == torch::kFloat && tensor.is_non_overlapping_and_dense() &&
         tensor.strides() == like.strides();
}

struct Piece {
  kernels::AdamPiece piece;
  size_t constants;
};

class AdamW : public Optimizer {
 public:
  AdamW(std::vector<ParameterGroup> groups, AdamOptions options)
      : Optimizer(std::move(groups), [](const ParameterGroup&) { return std::vector<std::string>{kMean, kSquare}; }), options_(options) {}

 protected:
  void apply(const FusedBatch& batch, double learning_rate, bool) override { adamw_update(batch, learning_rate, options_); }

  void run(const Pass& pass) override {
    std::vector<Piece> pieces;
    std::vector<kernels::AdamConstants> constants;
    std::unordered_set<const c10::TensorImpl*> averaged;
    slots_.for_each_batch([&](const FusedBatch& batch, bool) {
      FusedBatch others;
      others.group = batch.group;
      const double rate = pass.learning_rate * batch.group->learning_rate_scale;
      for (size_t i = 0; i < batch.parameters.size(); ++i) {
        const auto& parameter = batch.parameters[i];
        const auto& mean = batch.states[i]->slots.at(kMean);
        const auto& square = batch.states[i]->slots.at(kSquare);
        const bool plain = is_plain(parameter, parameter) && is_plain(batch.gradients[i], parameter) && is_plain(mean, parameter) &&
                           is_plain(square, parameter);
        if (!plain) {
          others.parameters.push_back(parameter);
          others.gradients.push_back(batch.gradients[i]);
          others.states.push_back(batch.states[i]);
          continue;
        }
        const auto* shadow = pass.average == nullptr ? nullptr : pass.average->shadow_of(parameter);
        if (shadow != nullptr && !is_plain(*shadow, parameter)) shadow = nullptr;
        if (shadow != nullptr) averaged.insert(parameter.unsafeGetTensorImpl());
        constants.push_back(constants_of(pass, rate, batch.group->weight_decay, batch.states[i]->steps + 1));
        for (int64_t at = 0; at < parameter.numel(); at += kernels::kPiece) {
          pieces.push_back({{parameter.mutable_data_ptr<float>() + at, batch.gradients[i].const_data_ptr<float>() + at,
                             mean.mutable_data_ptr<float>() + at, square.mutable_data_ptr<float>() + at,
                             shadow == nullptr ? nullptr : shadow->mutable_data_ptr<float>() + at,
                             std::min(kernels::kPiece, parameter.numel() - at)},
                            constants.size() - 1});
        }
        held_.push_back(batch.gradients[i]);  // a copy in the parameter's layout must outlive this batch
      }
      if (!others.parameters.empty()) run_others(others, pass, rate);
    });
    at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) kernels::adamw(pieces[i].piece, constants[pieces[i].constants]);
    });
    held_.clear();
    if (pass.average != nullptr) pass.average->update_others(pass.average_decay, averaged);
  }

 private:
  // Other element types and devices, one operation after the other.
  void run_others(FusedBatch& batch, const Pass& pass, double rate) {
    if (pass.gradient_scale != 1.0) at::_foreach_mul_(batch.gradients, pass.gradient_scale);
    adamw_update(batch, rate, options_);
  }

  kernels::AdamConstants constants_of(const Pass& pass, double rate, double weight_decay, int64_t steps) const {
    const double correction1 = 1.0 - std::pow(options_.beta1, static_cast<double>(steps));
    const double correction2 = 1.0 - std::pow(options_.beta2, static_cast<double>(steps));
    const auto narrow = [](double value) { return static_cast<float>(value); };
    return {narrow(pass.gradient_scale),
            narrow(1.0 - rate * weight_decay),
            narrow(1.0 - options_.beta1),
            narrow(options_.beta2),
            narrow(1.0 - options_.beta2),
            narrow(rate / correction1),
            narrow(std::sqrt(correction2)),
            narrow(options_.eps),
            narrow(1.0 - pass.average_decay)};
  }

  AdamOptions options_;
  std::vector<torch::Tensor> held_;
};

}  // namespace

AdamOptions AdamOptions::read(const Options& options, const std::string& owner, double default_eps) {
  const double beta1 = options.number("beta1", 0.9);
  const double beta2 = options.number("beta2", 0.999);
  const double eps = options.number("eps", default_eps);
  if (!(beta1 >= 0 && beta1 < 1)) throw error(ErrorKind::Config, owner, ": expected beta1 in [0, 1) but got ", beta1);
  if (!(beta2 >= 0 && beta2 < 1)) throw error(ErrorKind::Config, owner, ": expected beta2 in [0, 1) but got ", beta2);
  if (!(eps > 0)) throw error(ErrorKind::Config, owner, ": expected eps above 0 but got ", eps);
  return {beta1, beta2, eps};
}

void adamw_update(const FusedBatch& batch, double learning_rate, const AdamOptions& options) {
  std::vector<torch::Tensor> steps;
  for (size_t i = 0; i < batch.states.size(); ++i) {
    // The kernel wants the count that includes this update, as a float tensor of its device (exact up to 2²⁴ updates).
    const auto type = batch.parameters[i].options().dtype(torch::kFloat);
    steps.push_back(at::scalar_tensor(static_cast<double>(batch.states[i]->steps + 1), type));
  }
  at::_fused_adamw_(batch.parameters, batch.gradients, batch.slot(kMean), batch.slot(kSquare), /*max_exp_avg_sqs=*/{}, steps, learning_rate,
                    options.beta1, options.beta2, batch.group->weight_decay, options.eps, /*amsgrad=*/false, /*maximize=*/false);
}

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups, const Options& options) {
  return std::make_unique<AdamW>(std::move(groups), AdamOptions::read(options, "adamw", 1e-8));
}

}  // namespace trivium::optim
