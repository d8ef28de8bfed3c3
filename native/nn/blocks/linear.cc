#include "nn/blocks/linear.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "nn/tree_mutex.h"

namespace trivium::nn {
namespace {

/// Copies in float64, for the same reason as wide_matrix.
std::vector<BiasPart> widened(const std::vector<BiasPart>& parts) {
  std::vector<BiasPart> wide;
  for (const auto& part : parts) wide.push_back({part.first, part.values.to(torch::kDouble, /*non_blocking=*/false, /*copy=*/true)});
  return wide;
}

}  // namespace

Linear::Linear(int64_t in_features, int64_t out_features, bool with_bias, std::vector<int64_t> further) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(in_features));
  further.insert(further.begin(), {out_features, in_features});
  weight = register_parameter("weight", at::empty(further).uniform_(-bound, bound));
  if (with_bias) bias = register_parameter("bias", at::empty({out_features}).uniform_(-bound, bound));
}

torch::Tensor Linear::forward(const torch::Tensor& input) { return forward(input, bias); }

torch::Tensor Linear::forward(const torch::Tensor& input, const torch::Tensor& outer_bias) {
  return adapted(merged() ? 0 : adapters_.size(), input, outer_bias);
}

/// A copy of the weight as [out, in] in float64, so that a merge rounds once.
torch::Tensor Linear::wide_matrix() const { return matrix().detach().to(torch::kDouble, /*non_blocking=*/false, /*copy=*/true).contiguous(); }

/// The layer within its first `count` adapters.
torch::Tensor Linear::adapted(size_t count, const torch::Tensor& input, const torch::Tensor& added) const {
  if (count == 0) return added.defined() ? at::linear(input, matrix(), added) : at::linear(input, matrix());
  const auto& adapter = *adapters_[count - 1];
  const auto seen = adapter.enter(input);
  return adapter.leave(seen, adapted(count - 1, seen, added), is_training());
}

void Linear::attach(std::shared_ptr<LinearAdapter> adapter) {
  const std::lock_guard<std::mutex> lock(tree_mutex());
  for (const auto& [name, tensor] : adapter->weights()) register_parameter(name, tensor);
  adapters_.push_back(std::move(adapter));
}

std::vector<BiasPart> Linear::bias_parts() const {
  if (bias.defined()) return {{0, bias}};
  return outer_bias_;
}

void Linear::merge_adapters() {
  if (adapters_.empty() || merged()) return;
  at::NoGradGuard no_grad;
  const auto parts = bias_parts();
  auto wide_weight = wide_matrix();
  auto wide_parts = widened(parts);
  for (const auto& adapter : adapters_) adapter->merge(wide_weight, wide_parts);
  const auto write = [&](torch::Tensor live, const torch::Tensor& values) {
    auto copy = live.detach().clone();
    live.copy_(values.view_as(live));
    originals_.push_back({live, std::move(copy), static_cast<uint32_t>(live._version())});
  };
  write(weight, wide_weight);
  for (size_t i = 0; i < parts.size(); ++i) write(parts[i].values, wide_parts[i].values);
  hide_weights();
}

bool Linear::untouched() const {
  return std::all_of(originals_.begin(), originals_.end(),
                     [](const Original& original) { return static_cast<uint32_t>(original.tensor._version()) == original.version; });
}

bool Linear::can_unmerge() const {
  return untouched() || std::all_of(adapters_.begin(), adapters_.end(), [](const auto& adapter) { return adapter->can_unmerge(); });
}

void Linear::unmerge_adapters() {
  if (!merged()) return;
  at::NoGradGuard no_grad;
  follow_weight();
  if (untouched()) {
    for (auto& original : originals_) original.tensor.copy_(original.values);
  } else {
    auto parts = bias_parts();
    auto wide_weight = wide_matrix();
    auto wide_parts = widened(parts);
    for (auto adapter = adapters_.rbegin(); adapter != adapters_.rend(); ++adapter) (*adapter)->unmerge(wide_weight, wide_parts);
    weight.copy_(wide_weight.view_as(weight));
    for (size_t i = 0; i < parts.size(); ++i) parts[i].values.copy_(wide_parts[i].values);
  }
  originals_.clear();
  show_weights();
}

void Linear::unload_adapters() {
  if (!merged()) hide_weights();
  adapters_.clear();
  originals_.clear();
  outer_bias_.clear();
}

/// A merged layer may have been moved without its adapters, which were no parameters of it then.
void Linear::follow_weight() {
  for (const auto& adapter : adapters_) {
    for (auto& [name, tensor] : adapter->weights()) tensor.set_data(tensor.data().to(weight.device(), weight.scalar_type()));
  }
}

void Linear::show_weights() {
  const std::lock_guard<std::mutex> lock(tree_mutex());
  for (const auto& adapter : adapters_) {
    for (const auto& [name, tensor] : adapter->weights()) parameters_.insert(name, tensor);
  }
}

void Linear::hide_weights() {
  const std::lock_guard<std::mutex> lock(tree_mutex());
  for (const auto& adapter : adapters_) {
    for (const auto& entry : adapter->weights()) parameters_.erase(entry.first);
  }
}

}  // namespace trivium::nn
