#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_lerp.h>

#include "core/error.h"
#include "optim/optimizer.h"

namespace trivium::optim {

void ema_update(const std::vector<torch::Tensor>& shadow, const std::vector<torch::Tensor>& source, double decay) {
  if (!(decay >= 0 && decay <= 1)) throw error(ErrorKind::Config, "ema: expected a decay in [0, 1] but got ", decay);
  if (shadow.size() != source.size()) {
    throw error(ErrorKind::Shape, "ema: expected as many shadow tensors as source tensors but got ", shadow.size(), " and ", source.size());
  }
  for (size_t i = 0; i < shadow.size(); ++i) {
    if (shadow[i].sizes() != source[i].sizes() || shadow[i].scalar_type() != source[i].scalar_type()) {
      throw error(ErrorKind::Shape, "ema: expected equal shapes and types at position ", i, " but got ", shadow[i].scalar_type(), " ",
                  shadow[i].sizes(), " and ", source[i].scalar_type(), " ", source[i].sizes());
    }
  }
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
  if (!averaged.empty()) at::_foreach_lerp_(averaged, towards, 1.0 - decay);
}

}  // namespace trivium::optim
