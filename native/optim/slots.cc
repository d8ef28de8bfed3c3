#include "optim/slots.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <set>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/suggest.h"

namespace trivium::optim {
namespace {

constexpr auto kStep = "step";

// The fused kernels walk parameter, gradient and slots by address, so all must lie in memory the same way. Autograd's gradients do;
// one that was assigned by hand may not.
torch::Tensor in_layout_of(const torch::Tensor& parameter, const torch::Tensor& gradient) {
  if (gradient.strides() == parameter.strides()) return gradient;
  return at::empty_like(parameter).copy_(gradient);
}

std::string listed(const std::set<std::string>& names) {
  constexpr size_t kShown = 8;
  std::vector<std::string> shown;
  for (const auto& name : names) {
    if (shown.size() == kShown) break;
    shown.push_back(name);
  }
  return join(shown) + (names.size() > kShown ? ", … (" + std::to_string(names.size()) + " in all)" : "");
}

}  // namespace

std::vector<torch::Tensor> FusedBatch::slot(const std::string& name) const {
  std::vector<torch::Tensor> tensors;
  for (const auto* state : states) tensors.push_back(state->slots.at(name));
  return tensors;
}

Slots::Slots(const std::vector<ParameterGroup>& groups, const NamesOf& names_of) : groups_(groups) {
  at::NoGradGuard no_grad;
  for (const auto& group : groups_) {
    auto& states = states_.emplace_back(group.parameters.size());
    for (size_t i = 0; i < states.size(); ++i) {
      for (const auto& name : names_of(group)) states[i].slots[name] = at::zeros_like(group.parameters[i]);
    }
  }
}

void Slots::add_copies(const std::string& name) {
  at::NoGradGuard no_grad;
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = 0; i < states_[g].size(); ++i) states_[g][i].slots[name] = groups_[g].parameters[i].detach().clone();
  }
}

const torch::Tensor& Slots::at(size_t group, size_t parameter, const std::string& name) const {
  return states_[group][parameter].slots.at(name);
}

bool Slots::has(const std::string& name) const {
  for (const auto& group : states_) {
    for (const auto& state : group) return state.slots.contains(name);
  }
  return false;
}

void Slots::for_each_batch(const std::function<void(const FusedBatch&, bool first)>& update) {
  at::NoGradGuard no_grad;
  for (size_t g = 0; g < groups_.size(); ++g) {
    const auto& group = groups_[g];
    std::map<std::tuple<bool, torch::ScalarType, std::string>, FusedBatch> batches;
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      const auto& parameter = group.parameters[i];
      if (!parameter.grad().defined()) continue;
      auto& state = states_[g][i];
      auto& batch = batches[{state.steps == 0, parameter.scalar_type(), parameter.device().str()}];
      batch.group = &group;
      batch.parameters.push_back(parameter);
      batch.gradients.push_back(in_layout_of(parameter, parameter.grad()));
      batch.states.push_back(&state);
    }
    for (auto& [kind, batch] : batches) {
      update(batch, std::get<0>(kind));
      for (auto* state : batch.states) ++state->steps;
    }
  }
}

std::map<std::string, torch::Tensor> Slots::state() const {
  std::map<std::string, torch::Tensor> state;
  std::vector<int64_t> steps;
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = 0; i < states_[g].size(); ++i) {
      steps.push_back(states_[g][i].steps);
      for (const auto& [slot, tensor] : states_[g][i].slots) state[slot + "." + groups_[g].names[i]] = tensor;
    }
  }
  state[kStep] = torch::tensor(steps, torch::kLong);
  return state;
}

void Slots::load(const std::map<std::string, torch::Tensor>& given) {
  const auto own = state();
  std::set<std::string> missing, surplus, misshaped;
  for (const auto& [name, tensor] : own) {
    const auto entry = given.find(name);
    if (entry == given.end()) {
      missing.insert(name);
    } else if (entry->second.sizes() != tensor.sizes()) {
      misshaped.insert(name);
    }
  }
  for (const auto& [name, tensor] : given) {
    if (!own.contains(name)) surplus.insert(name);
  }
  if (!missing.empty() || !surplus.empty() || !misshaped.empty()) {
    throw error(ErrorKind::Snapshot, "the optimizer state does not belong to these parameters.",
                missing.empty() ? "" : " Missing: " + listed(missing) + ".", surplus.empty() ? "" : " Surplus: " + listed(surplus) + ".",
                misshaped.empty() ? "" : " Of another shape: " + listed(misshaped) + ".",
                " Resume with the network and optimizer of the snapshot, or start the optimizer afresh.");
  }
  at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own) {
    if (name != kStep) tensor.copy_(given.at(name));  // `own` shares memory with the slots
  }
  const auto steps = given.at(kStep).to(torch::kCPU, torch::kLong).contiguous();
  const auto* step = steps.const_data_ptr<int64_t>();
  for (auto& group : states_) {
    for (auto& state : group) state.steps = *step++;
  }
}

}  // namespace trivium::optim
