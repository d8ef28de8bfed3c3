#include "optim/gradients.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_clamp_max.h>
#include <ATen/ops/_foreach_clamp_min.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>

#include "optim/kernels/state_pass.h"

namespace trivium::optim {
namespace {

bool is_dense_float(const torch::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == torch::kFloat && tensor.is_non_overlapping_and_dense();
}

// Pieces of constant length, each summed by itself, then added in their order: as many threads as there are give the same sum.
double dense_square_sum(const std::vector<torch::Tensor>& gradients) {
  std::vector<std::pair<const float*, int64_t>> pieces;
  for (const auto& gradient : gradients) {
    const auto* data = gradient.const_data_ptr<float>();
    for (int64_t at = 0; at < gradient.numel(); at += kernels::kPiece) {
      pieces.emplace_back(data + at, std::min(kernels::kPiece, gradient.numel() - at));
    }
  }
  std::vector<double> sums(pieces.size());
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sums[i] = kernels::square_sum(pieces[i].first, pieces[i].second);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

// Over dimensions 1.., kept for broadcasting; a vector is one unit.
torch::Tensor unit_norms(const torch::Tensor& tensor) {
  if (tensor.dim() <= 1) return at::linalg_vector_norm(tensor, 2);
  std::vector<int64_t> dimensions;
  for (int64_t i = 1; i < tensor.dim(); ++i) dimensions.push_back(i);
  return at::linalg_vector_norm(tensor, 2, dimensions, /*keepdim=*/true);
}

}  // namespace

double global_norm(const std::vector<torch::Tensor>& gradients) {
  at::NoGradGuard no_grad;
  std::vector<torch::Tensor> dense, others;
  for (const auto& gradient : gradients) (is_dense_float(gradient) ? dense : others).push_back(gradient);
  double squares = dense_square_sum(dense);
  if (!others.empty()) {
    auto norms = at::_foreach_norm(others, 2);
    for (auto& norm : norms) norm = norm.to(norms.front().device(), torch::kDouble);
    const double norm = at::linalg_vector_norm(at::stack(norms), 2).item<double>();
    squares += norm * norm;
  }
  return std::sqrt(squares);
}

void centralize(const std::vector<ParameterGroup>& groups) {
  at::NoGradGuard no_grad;
  for (const auto& group : groups) {
    if (!group.centralize) continue;
    for (const auto& parameter : group.parameters) {
      auto gradient = parameter.grad();
      if (!gradient.defined() || gradient.dim() < 2) continue;
      std::vector<int64_t> dimensions;
      for (int64_t i = 1; i < gradient.dim(); ++i) dimensions.push_back(i);
      gradient.sub_(gradient.mean(dimensions, /*keepdim=*/true));
    }
  }
}

void clip_values(const std::vector<torch::Tensor>& gradients, double limit) {
  at::NoGradGuard no_grad;
  if (gradients.empty()) return;
  at::_foreach_clamp_min_(gradients, -limit);
  at::_foreach_clamp_max_(gradients, limit);
}

void clip_adaptively(const std::vector<ParameterGroup>& groups, double limit) {
  at::NoGradGuard no_grad;
  for (const auto& group : groups) {
    if (!group.adaptive_clip) continue;
    for (const auto& parameter : group.parameters) {
      auto gradient = parameter.grad();
      if (!gradient.defined()) continue;
      const auto largest = at::clamp_min(unit_norms(parameter), 1e-3) * limit;
      const auto norms = unit_norms(gradient);
      gradient.mul_(at::where(norms < largest, 1.0, largest / at::clamp_min(norms, 1e-6)).to(gradient.scalar_type()));
    }
  }
}

}  // namespace trivium::optim
