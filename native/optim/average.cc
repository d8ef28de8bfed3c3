#include "optim/average.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_lerp.h>

#include <utility>

#include "core/error.h"

namespace trivium::optim {
namespace {

void expect_pairs(const std::vector<torch::Tensor>& shadow, const std::vector<torch::Tensor>& source) {
  if (shadow.size() != source.size()) {
    throw error(ErrorKind::Shape, "ema: expected as many shadow tensors as source tensors but got ", shadow.size(), " and ", source.size());
  }
  for (size_t i = 0; i < shadow.size(); ++i) {
    if (shadow[i].sizes() != source[i].sizes() || shadow[i].scalar_type() != source[i].scalar_type()) {
      throw error(ErrorKind::Shape, "ema: expected equal shapes and types at position ", i, " but got ", shadow[i].scalar_type(), " ",
                  shadow[i].sizes(), " and ", source[i].scalar_type(), " ", source[i].sizes());
    }
  }
}

}  // namespace

void ema_update(const std::vector<torch::Tensor>& shadow, const std::vector<torch::Tensor>& source, double decay) {
  if (!(decay >= 0 && decay <= 1)) throw error(ErrorKind::Config, "ema: expected a decay in [0, 1] but got ", decay);
  expect_pairs(shadow, source);
  at::NoGradGuard no_grad;
  std::vector<torch::Tensor> averaged, towards;
  for (size_t i = 0; i < shadow.size(); ++i) {
    if (shadow[i].is_floating_point()) {
      averaged.push_back(shadow[i]);
      towards.push_back(source[i].detach());
    } else {
      auto copy = shadow[i];
      copy.copy_(source[i]);  // a mean of batch counters means nothing
    }
  }
  if (averaged.empty()) return;
  // lerp gives the same to the bit, but would leave NaN where the shadow is NaN.
  if (decay == 0) return at::_foreach_copy_(averaged, towards);
  at::_foreach_lerp_(averaged, towards, 1.0 - decay);
}

Average::Average(std::vector<torch::Tensor> shadow, std::vector<torch::Tensor> source)
    : shadow_(std::move(shadow)), source_(std::move(source)) {
  expect_pairs(shadow_, source_);
  for (size_t i = 0; i < source_.size(); ++i) position_.emplace(source_[i].unsafeGetTensorImpl(), i);
}

void Average::update(double decay) const { ema_update(shadow_, source_, decay); }

const torch::Tensor* Average::shadow_of(const torch::Tensor& source) const {
  const auto found = position_.find(source.unsafeGetTensorImpl());
  return found == position_.end() ? nullptr : &shadow_[found->second];
}

void Average::update_others(double decay, const std::unordered_set<const c10::TensorImpl*>& done) const {
  std::vector<torch::Tensor> shadow, source;
  for (size_t i = 0; i < source_.size(); ++i) {
    if (done.contains(source_[i].unsafeGetTensorImpl())) continue;
    shadow.push_back(shadow_[i]);
    source.push_back(source_[i]);
  }
  ema_update(shadow, source, decay);
}

}  // namespace trivium::optim
