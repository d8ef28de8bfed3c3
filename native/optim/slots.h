// What an optimizer keeps beside each parameter, and the lists that one fused call works on.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "optim/optimizer.h"

namespace trivium::optim {

/// One tensor of the parameter's shape per slot name, and how many updates the parameter has had.
struct ParameterState {
  std::vector<torch::Tensor> slots;
  int64_t steps = 0;
};

/// Parameters of one group, element type and device.
struct FusedBatch {
  const ParameterGroup* group = nullptr;
  std::vector<torch::Tensor> parameters, gradients;
  std::vector<ParameterState*> states;
};

class Slots {
 public:
  /// Slots start as zeros, in the parameter's own memory layout.
  Slots(const std::vector<ParameterGroup>& groups, std::vector<std::string> slot_names);

  /// Calls `update` for each batch of parameters that have a gradient, then counts the step. Parameters that are at their first update
  /// come in batches of their own. Throws ConfigError for a learning rate that is not a number of at least 0.
  void for_each_batch(double learning_rate, const std::function<void(const FusedBatch&, bool first)>& update);

  /// "<slot>.<parameter>" and "step": int64 [P], updates of each parameter in the order of the groups.
  std::map<std::string, torch::Tensor> state() const;

  /// Throws SnapshotError naming missing, surplus or mis-shaped entries; changes nothing then.
  void load(const std::map<std::string, torch::Tensor>& state);

 private:
  const std::vector<ParameterGroup>& groups_;
  std::vector<std::string> slot_names_;
  std::vector<std::vector<ParameterState>> states_;  // [group][parameter]
};

}  // namespace trivium::optim
