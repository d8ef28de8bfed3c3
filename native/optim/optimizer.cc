#include "optim/optimizer.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_zero.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/suggest.h"
#include "optim/adamw.h"
#include "optim/gradients.h"
#include "optim/kernels/state_pass.h"
#include "optim/lamb.h"
#include "optim/lion.h"
#include "optim/muon.h"
#include "optim/sgd.h"

namespace trivium::optim {
namespace {

constexpr auto kSlow = "slow";

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

// Before the slots are made, whose sizes they give.
std::vector<ParameterGroup> checked(std::vector<ParameterGroup> groups) {
  std::set<std::string> seen;
  for (size_t i = 0; i < groups.size(); ++i) check_group(groups[i], i, seen);
  if (seen.empty()) throw error(ErrorKind::Config, "optimizer: expected at least one parameter but got none");
  return groups;
}

void check_limit(const Update& request) {
  const bool limited = request.clip != Clip::None;
  if (limited && (!(request.clip_limit > 0) || !std::isfinite(request.clip_limit))) {
    throw error(ErrorKind::Config, "optimizer: expected a limit of the gradient above 0 but got ", request.clip_limit);
  }
  if (!(request.gradient_scale > 0) || !std::isfinite(request.gradient_scale)) {
    throw error(ErrorKind::Config, "optimizer: expected a gradient scale above 0 but got ", request.gradient_scale);
  }
}

// torch.nn.utils.clip_grad_norm_'s coefficient, its 1e-6 included.
double norm_coefficient(double norm, double max_norm) { return std::min(1.0, max_norm / (norm + 1e-6)); }

bool is_weight(const std::string& name) { return name.ends_with("weight"); }

// Float32 weights on the CPU that have their memory to themselves: theirs can be exchanged for another piece of the same layout. On a
// device they stay where they are, for captured passes (core/step_graph.h).
bool can_move(const torch::Tensor& weights, const torch::Tensor& gradient) {
  return weights.is_cpu() && weights.scalar_type() == torch::kFloat && gradient.scalar_type() == torch::kFloat &&
         weights.is_non_overlapping_and_dense() && gradient.strides() == weights.strides() && weights.storage_offset() == 0 &&
         weights.storage().nbytes() == weights.nbytes();
}

// Every tensor that shares either's memory goes with it.
void exchange_memory(const torch::Tensor& a, const torch::Tensor& b) {
  auto *first = a.storage().unsafeGetStorageImpl(), *second = b.storage().unsafeGetStorageImpl();
  auto data = first->set_data_ptr(at::DataPtr(nullptr, a.device()));
  first->set_data_ptr(second->set_data_ptr(std::move(data)));
}

}  // namespace

Optimizer::Optimizer(std::vector<ParameterGroup> groups, Slots::NamesOf slot_names)
    : groups_(checked(std::move(groups))), slots_(groups_, slot_names) {}

std::vector<torch::Tensor> Optimizer::gradients() const {
  std::vector<torch::Tensor> found;
  for (const auto& group : groups_) {
    for (const auto& parameter : group.parameters) {
      if (parameter.grad().defined()) found.push_back(parameter.grad());
    }
  }
  return found;
}

void Optimizer::check_rate(double learning_rate) const {
  if (!(learning_rate >= 0) || !std::isfinite(learning_rate)) {
    throw error(ErrorKind::Config, "optimizer: expected a learning rate of at least 0 but got ", learning_rate);
  }
}

void Optimizer::zero_grad() {
  if (keeps_gradients_) {
    at::NoGradGuard no_grad;
    const auto found = gradients();
    if (!found.empty()) at::_foreach_zero_(found);
    return;
  }
  for (auto& group : groups_) {
    for (auto& parameter : group.parameters) parameter.mutable_grad().reset();
  }
}

void Optimizer::keep_gradients(bool keep) {
  keeps_gradients_ = keep;
  if (!keep) zero_grad();
}

UpdateResult Optimizer::update(const Update& request) {
  check_rate(request.learning_rate);
  check_limit(request);
  at::NoGradGuard no_grad;
  restore();
  const auto found = gradients();
  double scale = request.gradient_scale;
  const bool needs_units = request.clip == Clip::Value || request.clip == Clip::Adaptive;
  if (scale != 1.0 && needs_units && !found.empty()) {
    at::_foreach_mul_(found, scale);
    scale = 1.0;
  }
  centralize(groups_);
  const double norm = global_norm(found) * scale;
  if (!std::isfinite(norm)) return {norm, false};
  if (request.clip == Clip::Norm) scale *= norm_coefficient(norm, request.clip_limit);
  if (request.clip == Clip::Value) clip_values(found, request.clip_limit);
  if (request.clip == Clip::Adaptive) clip_adaptively(groups_, request.clip_limit);
  run({request.learning_rate, scale, request.average, request.average_decay});
  zero_grad();
  return {norm, true};
}

void Optimizer::run(const Pass& pass) {
  const auto found = gradients();
  if (pass.gradient_scale != 1.0 && !found.empty()) at::_foreach_mul_(found, pass.gradient_scale);
  slots_.for_each_batch([&](const FusedBatch& batch, bool first) {
    apply(batch, pass.learning_rate * batch.group->learning_rate_scale, first);
  });
  if (pass.average != nullptr) pass.average->update(pass.average_decay);
}

void Optimizer::step(double learning_rate) {
  check_rate(learning_rate);
  at::NoGradGuard no_grad;
  restore();
  run({learning_rate, 1.0, nullptr, 0.0});
}

double Optimizer::clip_grad_norm(double max_norm) {
  if (!(max_norm >= 0)) throw error(ErrorKind::Config, "optimizer: expected a maximum gradient norm of at least 0 but got ", max_norm);
  at::NoGradGuard no_grad;
  const auto found = gradients();
  const double norm = global_norm(found);
  if (max_norm > 0 && std::isfinite(norm) && !found.empty()) {
    const double coefficient = norm_coefficient(norm, max_norm);
    if (coefficient < 1.0) at::_foreach_mul_(found, coefficient);
  }
  return norm;
}

double Optimizer::ascend(double rho, bool adaptive, double eta, double gradient_scale) {
  if (!(rho > 0) || !std::isfinite(rho)) throw error(ErrorKind::Config, "sam: expected rho above 0 but got ", rho);
  if (!(eta >= 0) || !std::isfinite(eta)) throw error(ErrorKind::Config, "sam: expected eta of at least 0 but got ", eta);
  if (ascended()) throw error(ErrorKind::Binding, "sam: the weights have ascended already");
  at::NoGradGuard no_grad;
  if (adaptive) {
    for (auto& group : groups_) {
      for (size_t i = 0; i < group.parameters.size(); ++i) {
        auto gradient = group.parameters[i].grad();
        if (gradient.defined() && is_weight(group.names[i])) gradient.mul_(group.parameters[i].abs() + eta);  // T · g
      }
    }
  }
  const double norm = global_norm(gradients());
  const double unscaled = norm * gradient_scale;
  if (!std::isfinite(unscaled)) return unscaled;
  // ρ · (s · g) / (‖s · g‖ + 1e-12): what the loss was scaled with cancels, but for the small constant.
  const double factor = rho * gradient_scale / (unscaled + 1e-12);
  struct Piece {
    const float *weights, *gradient;
    float* moved;
    int64_t count;
  };
  std::vector<Piece> pieces;
  std::vector<Kept> kept;  // all memory is taken before a weight moves
  for (auto& group : groups_) {
    for (size_t i = 0; i < group.parameters.size(); ++i) {
      auto& parameter = group.parameters[i];
      auto gradient = parameter.grad();
      if (!gradient.defined()) continue;
      if (adaptive && is_weight(group.names[i])) gradient.mul_(parameter.abs() + eta);  // T² · g
      kept.push_back({parameter, at::empty_like(parameter), can_move(parameter, gradient)});
      if (!kept.back().exchanged) continue;
      for (int64_t at = 0; at < parameter.numel(); at += kernels::kPiece) {
        pieces.push_back({parameter.const_data_ptr<float>() + at, gradient.const_data_ptr<float>() + at,
                          kept.back().before.mutable_data_ptr<float>() + at, std::min(kernels::kPiece, parameter.numel() - at)});
      }
    }
  }
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      kernels::ascend(pieces[i].weights, pieces[i].gradient, static_cast<float>(factor), pieces[i].moved, pieces[i].count);
    }
  });
  for (auto& [weights, before, exchanged] : kept) {
    if (exchanged) {
      exchange_memory(weights, before);  // `before` held what is moved
      continue;
    }
    before.copy_(weights);
    weights.add_(weights.grad(), factor);
  }
  kept_ = std::move(kept);
  zero_grad();
  return unscaled;
}

void Optimizer::restore() {
  std::vector<torch::Tensor> weights, kept;
  // Backwards, so that two tensors of one memory come back to what it held first.
  for (auto entry = kept_.rbegin(); entry != kept_.rend(); ++entry) {
    if (entry->exchanged) {
      exchange_memory(entry->weights, entry->before);
      continue;
    }
    weights.push_back(entry->weights);
    kept.push_back(entry->before);
  }
  if (!weights.empty()) at::_foreach_copy_(weights, kept);
  kept_.clear();
}

void Optimizer::descend() {
  at::NoGradGuard no_grad;
  restore();
}

void Optimizer::keep_slow_weights() { slots_.add_copies(kSlow); }

void Optimizer::pull_slow_weights(double alpha) {
  if (!(alpha > 0 && alpha <= 1)) throw error(ErrorKind::Config, "lookahead: expected alpha in (0, 1] but got ", alpha);
  if (!slots_.has(kSlow)) throw error(ErrorKind::Binding, "lookahead: no slow weights are kept");
  at::NoGradGuard no_grad;
  std::vector<torch::Tensor> slow, fast;
  for (size_t g = 0; g < groups_.size(); ++g) {
    for (size_t i = 0; i < groups_[g].parameters.size(); ++i) {
      slow.push_back(slots_.at(g, i, kSlow));
      fast.push_back(groups_[g].parameters[i]);
    }
  }
  ema_update(slow, fast, 1.0 - alpha);
  at::_foreach_copy_(fast, slow);
}

std::unique_ptr<Optimizer> create_optimizer(const std::string& kind, std::vector<ParameterGroup> groups, const Options& options) {
  using Make = std::unique_ptr<Optimizer> (*)(std::vector<ParameterGroup>, const Options&);
  static const std::map<std::string, Make> makers{
      {"adamw", make_adamw}, {"lamb", make_lamb}, {"lion", make_lion}, {"muon", make_muon}, {"sgd", make_sgd}};
  const auto found = makers.find(kind);
  if (found == makers.end()) {
    std::vector<std::string> known;
    for (const auto& [name, make] : makers) known.push_back(name);
    const auto near = near_names(kind, known, 1);
    throw error(ErrorKind::Config, "expected a known optimizer but got \"", kind, "\". ",
                near.empty() ? "Known: " + join(known) + "." : "Did you mean " + near.front() + "?");
  }
  auto optimizer = found->second(std::move(groups), options);
  options.expect_all_used();
  return optimizer;
}

}  // namespace trivium::optim
