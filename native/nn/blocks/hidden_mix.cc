#include "nn/blocks/hidden_mix.h"

#include <ATen/ATen.h>

#include <utility>

#include "core/error.h"

namespace trivium::nn {
namespace {

thread_local HiddenMixScope* current = nullptr;

torch::Tensor mix_tokens(const torch::Tensor& x, const HiddenMix& mix) {
  const int64_t patches = mix.own.size(0), prefix = x.dim() == 3 ? x.size(1) - patches : -1;
  if (prefix < 0) {
    throw error(ErrorKind::Config, "mixtoken: expected a network of tokens [N, T, D] with at least ", patches, " of them but got ", x.sizes(),
                "; use cutmix for convolutional networks");
  }
  const auto own = prefix == 0 ? mix.own : at::cat({at::ones({prefix}, mix.own.options()), mix.own});
  return at::where(own.view({1, -1, 1}), x, x.index_select(0, mix.partners));
}

}  // namespace

HiddenMixScope::HiddenMixScope(HiddenMix mix) : mix_(std::move(mix)) { current = this; }

HiddenMixScope::~HiddenMixScope() { current = nullptr; }

PartScope::PartScope() : scope_(current) {
  if (scope_) ++scope_->depth_;
}

PartScope::~PartScope() {
  if (scope_) --scope_->depth_;
}

torch::Tensor PartScope::enter(const torch::Tensor& x) const {
  if (!scope_ || scope_->depth_ != 1) return x;
  const HiddenMix& mix = scope_->mix_;
  const int64_t part = static_cast<int64_t>(scope_->parts_.size());
  scope_->parts_.push_back(x.sizes().vec());
  if (part != mix.part) return x;
  if (mix.partners.size(0) != x.size(0)) {
    throw error(ErrorKind::Shape, "hidden mixing: expected partners [", x.size(0), "] but got ", mix.partners.sizes());
  }
  if (mix.own.defined()) return mix_tokens(x, mix);
  return x * mix.lambda + x.index_select(0, mix.partners) * (1 - mix.lambda);
}

}  // namespace trivium::nn
