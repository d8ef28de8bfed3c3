#include "nn/adapters/lora.h"

#include <ATen/ops/add.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace trivium::nn {

Lora::Lora(const torch::Tensor& weight, const LoraOptions& options)
    : scale_(options.alpha / static_cast<double>(options.rank)), dropout_(options.dropout) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(weight.size(1)));
  // Drawn on the CPU: equal seeds give equal adapters on every device.
  a_ = at::empty({options.rank, weight.size(1)}).uniform_(-bound, bound).to(weight.options());
  b_ = at::zeros({weight.size(0), options.rank}, weight.options());
}

torch::Tensor Lora::leave(const torch::Tensor& input, const torch::Tensor& output, bool training) const {
  const auto seen = training && dropout_ > 0 ? at::dropout(input, dropout_, true) : input;
  return at::add(output, at::linear(at::linear(seen, a_), b_), scale_);  // [..., in] → [..., r] → [..., out]
}

void Lora::merge(torch::Tensor& weight, std::vector<BiasPart>&) const {
  weight.add_(at::mm(b_.to(torch::kDouble), a_.to(torch::kDouble)), scale_);
}

void Lora::unmerge(torch::Tensor& weight, std::vector<BiasPart>&) const {
  weight.sub_(at::mm(b_.to(torch::kDouble), a_.to(torch::kDouble)), scale_);
}

}  // namespace trivium::nn
