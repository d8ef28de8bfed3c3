// Optimizers over named parameter groups; multi-tensor updates, state by parameter name.
#pragma once

#include <torch/types.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/options.h"

namespace trivium::optim {

struct ParameterGroup {
  std::vector<std::string> names;
  std::vector<torch::Tensor> parameters;
  double learning_rate_scale = 1.0;  // layer-wise decay; multiplied with the scheduled rate
  double weight_decay = 0.0;
};

class Optimizer {
 public:
  explicit Optimizer(std::vector<ParameterGroup> groups);
  virtual ~Optimizer() = default;

  /// One update with `learning_rate` (the schedule's value for this step). Parameters without a gradient are left alone.
  virtual void step(double learning_rate) = 0;

  void zero_grad();  // sets gradients to none

  /// Global L2 norm of all gradients (over all groups); scales them down to `max_norm` when max_norm > 0. Returns the norm before.
  /// One device read; NaN or Inf comes back as such and nothing is scaled then.
  double clip_grad_norm(double max_norm);

  /// State tensors as "<slot>.<parameter name>", e.g. "exp_avg.layer1.0.conv1.weight", and "step": int64 [P], the updates of
  /// each parameter in the order of the groups. The tensors are the optimizer's own, not copies.
  virtual std::map<std::string, torch::Tensor> state() const = 0;
  /// Throws SnapshotError naming missing, surplus or mis-shaped entries; changes nothing then.
  virtual void load_state(const std::map<std::string, torch::Tensor>& state) = 0;

  const std::vector<ParameterGroup>& groups() const { return groups_; }

 protected:
  std::vector<ParameterGroup> groups_;
};

/// kind: "sgd" {momentum 0.9, nesterov false, dampening 0} · "adamw" {beta1 0.9, beta2 0.999, eps 1e-8}; the values are the defaults.
std::unique_ptr<Optimizer> create_optimizer(const std::string& kind, std::vector<ParameterGroup> groups, const Options& options);

/// shadow ← decay · shadow + (1 − decay) · source for floating-point tensors; integer tensors are copied. Lists pair up by position.
void ema_update(const std::vector<torch::Tensor>& shadow, const std::vector<torch::Tensor>& source, double decay);

}  // namespace trivium::optim
