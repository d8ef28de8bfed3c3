#include "nn/adapters/ia3.h"

#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/ones.h>

#include <algorithm>

namespace trivium::nn {
namespace {

/// Multiplied in the wider of the two types and rounded once: a scale of 1.001 would be 1 in bfloat16.
torch::Tensor scaled(const torch::Tensor& values, const torch::Tensor& scale) { return (values * scale).to(values.scalar_type()); }

bool has_no_zero(const torch::Tensor& scale) { return scale.ne(0).all().item<bool>(); }

}  // namespace

Ia3Output::Ia3Output(const torch::Tensor& weight, int64_t first)
    : first_(first), scale_(at::ones({weight.size(0) - first}, weight.options())) {}

torch::Tensor Ia3Output::leave(const torch::Tensor&, const torch::Tensor& output, bool) const {
  return scaled(output, first_ == 0 ? scale_ : at::constant_pad_nd(scale_, {first_, 0}, 1));  // the outputs before `first` stay
}

void Ia3Output::multiply(torch::Tensor& weight, std::vector<BiasPart>& bias, const torch::Tensor& factors) const {
  weight.narrow(0, first_, factors.size(0)).mul_(factors.unsqueeze(1));
  for (auto& part : bias) {
    const int64_t from = std::max(part.first, first_), to = part.first + part.values.size(0);
    if (from < to) part.values.narrow(0, from - part.first, to - from).mul_(factors.narrow(0, from - first_, to - from));
  }
}

void Ia3Output::merge(torch::Tensor& weight, std::vector<BiasPart>& bias) const { multiply(weight, bias, scale_.to(torch::kDouble)); }

void Ia3Output::unmerge(torch::Tensor& weight, std::vector<BiasPart>& bias) const {
  multiply(weight, bias, scale_.to(torch::kDouble).reciprocal());
}

bool Ia3Output::can_unmerge() const { return has_no_zero(scale_); }

Ia3Input::Ia3Input(const torch::Tensor& weight) : scale_(at::ones({weight.size(1)}, weight.options())) {}

torch::Tensor Ia3Input::enter(const torch::Tensor& input) const { return scaled(input, scale_); }

void Ia3Input::merge(torch::Tensor& weight, std::vector<BiasPart>&) const { weight.mul_(scale_.to(torch::kDouble)); }

void Ia3Input::unmerge(torch::Tensor& weight, std::vector<BiasPart>&) const { weight.div_(scale_.to(torch::kDouble)); }

bool Ia3Input::can_unmerge() const { return has_no_zero(scale_); }

}  // namespace trivium::nn
