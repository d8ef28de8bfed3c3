// Optimizers over named parameter groups; multi-tensor updates, state by parameter name. One update is, in this order:
//
//   (back from SAM's ascent) → unscale → centralise → norm, finite? → clip → the optimizer's rule → average → gradients to none
#pragma once

#include <torch/types.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/options.h"
#include "optim/average.h"
#include "optim/parameter_group.h"
#include "optim/slots.h"

namespace trivium::optim {

enum class Clip { None, Norm, Value, Adaptive };

struct Update {
  double learning_rate = 0;
  double gradient_scale = 1;  // multiplies every gradient first: 1 / loss scale
  Clip clip = Clip::None;
  double clip_limit = 0;       // largest global norm, largest magnitude, or largest ratio of a unit's gradient to its weights
  Average* average = nullptr;  // moved towards the new weights in the same pass; null: none
  double average_decay = 0;
};

struct UpdateResult {
  double gradient_norm = 0;  // global L2 norm, unscaled and centralised, before clipping
  bool applied = false;      // false: the norm is not finite and no weight was touched
};

class Optimizer {
 public:
  Optimizer(std::vector<ParameterGroup> groups, Slots::NamesOf slot_names);
  virtual ~Optimizer() = default;

  /// One update as the head of this file says. Parameters without a gradient are left alone. Ends SAM's ascent if there was one. Throws
  /// ConfigError for a learning rate, scale or limit that is no number of its range.
  UpdateResult update(const Update& request);

  /// The optimizer's rule alone with `learning_rate` (the schedule's value for this step).
  void step(double learning_rate);

  /// Sets gradients to none; those of an optimizer that keeps them to 0, where they are.
  void zero_grad();

  /// Gradients stay where they are from now on: a captured pass (core/step_graph.h) adds to memory of fixed addresses. A parameter that had
  /// one once then counts as one with a gradient of 0. With `keep` false they are set to none.
  void keep_gradients(bool keep);

  /// Global L2 norm of all gradients (over all groups); scales them down to `max_norm` when max_norm > 0. Returns the norm before.
  /// One device read; NaN or Inf comes back as such and nothing is scaled then.
  double clip_grad_norm(double max_norm);

  /// SAM's first step (Foret et al. 2020, arXiv 2010.01412, eq. 2): w ← w + ρ · g / (‖g‖ + 1e-12) with one norm over all groups; the
  /// weights themselves are kept and `update` starts from them, bit for bit. `adaptive`: ASAM (Kwon et al. 2021, arXiv 2102.11600, eq. 7
  /// with its reference code): ε = ρ · T²g / ‖Tg‖, T = |w| + eta for tensors named "weight", 1 for the others. Gradients are set to none.
  /// Returns the norm (of T · g), unscaled; when it is not finite nothing is moved.
  double ascend(double rho, bool adaptive, double eta, double gradient_scale);
  /// Back from the ascent without an update.
  void descend();
  bool ascended() const { return !kept_.empty(); }

  /// From now on slow weights are kept (Zhang et al. 2019, Lookahead, arXiv 1907.08610); they begin as the weights are now.
  void keep_slow_weights();
  /// slow ← slow + alpha · (fast − slow), fast ← slow.
  void pull_slow_weights(double alpha);

  /// State tensors as "<slot>.<parameter name>", e.g. "exp_avg.layer1.0.conv1.weight", and "step": int64 [P], the updates of
  /// each parameter in the order of the groups. The tensors are the optimizer's own, not copies.
  std::map<std::string, torch::Tensor> state() const { return slots_.state(); }
  /// Throws SnapshotError naming missing, surplus or mis-shaped entries; changes nothing then.
  void load_state(const std::map<std::string, torch::Tensor>& state) { slots_.load(state); }

  const std::vector<ParameterGroup>& groups() const { return groups_; }

 protected:
  /// What a rule is given besides the batch: gradients are to be multiplied with `gradient_scale`.
  struct Pass {
    double learning_rate;
    double gradient_scale;
    Average* average;
    double average_decay;
  };

  /// The rule. The default multiplies the gradients, runs `apply` and moves the average, one after the other; an
  /// optimizer with one loop for all of it overrides this.
  virtual void run(const Pass& pass);
  virtual void apply(const FusedBatch& batch, double learning_rate, bool first) = 0;

  std::vector<torch::Tensor> gradients() const;
  void check_rate(double learning_rate) const;

  std::vector<ParameterGroup> groups_;
  Slots slots_;

 private:
  /// Weights that SAM moved, and what they were before. `exchanged`: by trading memory, so that the way back copies nothing.
  struct Kept {
    torch::Tensor weights, before;
    bool exchanged;
  };

  void restore();

  std::vector<Kept> kept_;
  bool keeps_gradients_ = false;
};

/// kind: "sgd" {momentum 0.9, nesterov false, dampening 0} · "adamw" {beta1 0.9, beta2 0.999, eps 1e-8} · "lamb" {beta1 0.9, beta2 0.999,
/// eps 1e-6} · "lion" {beta1 0.9, beta2 0.99} · "muon" {momentum 0.95, nesterov true, beta1 0.9, beta2 0.999, eps 1e-8}; the values are the
/// defaults.
std::unique_ptr<Optimizer> create_optimizer(const std::string& kind, std::vector<ParameterGroup> groups, const Options& options);

}  // namespace trivium::optim
