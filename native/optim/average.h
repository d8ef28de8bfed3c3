// A running average of tensors: weights and buffers of a network, kept in a second network.
#pragma once

#include <torch/types.h>

#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace trivium::optim {

/// shadow ← decay · shadow + (1 − decay) · source for floating-point tensors; integer tensors are copied. Lists pair up by position.
void ema_update(const std::vector<torch::Tensor>& shadow, const std::vector<torch::Tensor>& source, double decay);

class Average {
 public:
  /// Throws ShapeError when the lists differ in length, shapes or types.
  Average(std::vector<torch::Tensor> shadow, std::vector<torch::Tensor> source);

  void update(double decay) const;

  /// The tensor that averages `source`; null where none does.
  const torch::Tensor* shadow_of(const torch::Tensor& source) const;

  /// `update` of all but the sources in `done`.
  void update_others(double decay, const std::unordered_set<const c10::TensorImpl*>& done) const;

 private:
  std::vector<torch::Tensor> shadow_, source_;
  std::unordered_map<const c10::TensorImpl*, size_t> position_;
};

}  // namespace trivium::optim
