// What an optimizer keeps beside each parameter, and the lists that one fused call works on.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "optim/parameter_group.h"

namespace trivium::optim {

/// Tensors of the parameter's shape by slot name, and how many updates the parameter has had.
struct ParameterState {
  std::map<std::string, torch::Tensor> slots;
  int64_t steps = 0;
};

/// Parameters of one group, element type and device.
struct FusedBatch {
  const ParameterGroup* group = nullptr;
  std::vector<torch::Tensor> parameters, gradients;
  std::vector<ParameterState*> states;

  std::vector<torch::Tensor> slot(const std::string& name) const;
};

class Slots {
 public:
  using NamesOf = std::function<std::vector<std::string>(const ParameterGroup&)>;

  /// The slots that `names_of` says for each group start as zeros, in the parameter's own memory layout. Keeps `groups` by reference.
  Slots(const std::vector<ParameterGroup>& groups, const NamesOf& names_of);

  /// A further slot of every parameter that begins as a copy of it.
  void add_copies(const std::string& name);
  const torch::Tensor& at(size_t group, size_t parameter, const std::string& name) const;
  bool has(const std::string& name) const;

  /// Calls `update` for each batch of parameters that have a gradient, then counts the step. Parameters that are at their first update
  /// come in batches of their own.
  void for_each_batch(const std::function<void(const FusedBatch&, bool first)>& update);

  /// "<slot>.<parameter>" and "step": int64 [P], updates of each parameter in the order of the groups.
  std::map<std::string, torch::Tensor> state() const;

  /// Throws SnapshotError naming missing, surplus or mis-shaped entries; changes nothing then.
  void load(const std::map<std::string, torch::Tensor>& state);

 private:
  const std::vector<ParameterGroup>& groups_;
  std::vector<std::vector<ParameterState>> states_;  // [group][parameter]
};

}  // namespace trivium::optim
