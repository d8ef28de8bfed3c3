#include "optim/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include <cmath>
#include <set>

#include "core/error.h"
#include "core/suggest.h"
#include "optim/adamw.h"
#include "optim/sgd.h"

namespace trivium::optim {
namespace {

void check_group(const ParameterGroup& group, size_t index, std::set<std::string>& seen) {
  if (group.names.size() != group.parameters.size()) {
    throw error(ErrorKind::Config, "optimizer group ", index, ": expected a name for each of ", group.parameters.size(),
                " parameters but got ", group.names.size());
  }
  if (!(group.weight_decay >= 0) || !std::isfinite(group.weight_decay)) {
    throw error(ErrorKind::Config, "optimizer group ", index, ": expected a weight decay of at least 0 but got ", group.weight_decay);
  }
  if (!(group.learning_rate_scale >= 0) || !std::isfinite(group.learning_rate_scale)) {
    throw error(ErrorKind::Config, "optimizer group ", index, ": expected a learning rate scale of at least 0 but got ",
                group.learning_rate_scale);
  }
  for (size_t i = 0; i < group.names.size(); ++i) {
    if (!seen.insert(group.names[i]).second) {
      throw error(ErrorKind::Config, "optimizer group ", index, ": parameter \"", group.names[i], "\" is in two places");
    }
    if (!group.parameters[i].is_leaf() || !group.parameters[i].is_floating_point()) {
      throw error(ErrorKind::Config, "optimizer group ", index, ": expected \"", group.names[i], "\" to be a floating-point leaf tensor");
    }
  }
}

}  // namespace

Optimizer::Optimizer(std::vector<ParameterGroup> groups) : groups_(std::move(groups)) {
  std::set<std::string> seen;
  for (size_t i = 0; i < groups_.size(); ++i) check_group(groups_[i], i, seen);
  if (seen.empty()) throw error(ErrorKind::Config, "optimizer: expected at least one parameter but got none");
}

void Optimizer::zero_grad() {
  for (auto& group : groups_) {
    for (auto& parameter : group.parameters) parameter.mutable_grad().reset();
  }
}

double Optimizer::clip_grad_norm(double max_norm) {
  if (!(max_norm >= 0)) throw error(ErrorKind::Config, "optimizer: expected a maximum gradient norm of at least 0 but got ", max_norm);
  at::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients;
  for (const auto& group : groups_) {
    for (const auto& parameter : group.parameters) {
      if (parameter.grad().defined()) gradients.push_back(parameter.grad());
    }
  }
  if (gradients.empty()) return 0.0;
  auto norms = at::_foreach_norm(gradients, 2);
  for (auto& norm : norms) norm = norm.to(norms.front().device(), torch::kDouble);
  const double norm = at::linalg_vector_norm(at::stack(norms), 2).item<double>();
  // torch.nn.utils.clip_grad_norm_'s coefficient, its 1e-6 included.
  if (max_norm > 0 && std::isfinite(norm)) {
    const double coefficient = max_norm / (norm + 1e-6);
    if (coefficient < 1.0) at::_foreach_mul_(gradients, coefficient);
  }
  return norm;
}

std::unique_ptr<Optimizer> create_optimizer(const std::string& kind, std::vector<ParameterGroup> groups, const Options& options) {
  std::unique_ptr<Optimizer> optimizer;
  if (kind == "sgd") {
    optimizer = make_sgd(std::move(groups), options);
  } else if (kind == "adamw") {
    optimizer = make_adamw(std::move(groups), options);
  } else {
    const std::vector<std::string> known{"adamw", "sgd"};
    const auto near = near_names(kind, known, 1);
    throw error(ErrorKind::Config, "expected a known optimizer but got \"", kind, "\". ",
                near.empty() ? "Known: " + join(known) + "." : "Did you mean " + near.front() + "?");
  }
  options.expect_all_used();
  return optimizer;
}

}  // namespace trivium::optim
