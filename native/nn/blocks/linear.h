// The linear layer that backbones are made of: PyTorch's, as a type of our own, so that adapters find it in any family.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "nn/adapters/adapter.h"
#include "nn/module.h"

namespace trivium::nn {

/// [..., in] → [..., out]: x · weightᵀ + bias. weight [out, in], bias [out] (undefined without). PyTorch's start: both uniform in ±1/√in.
/// A family always runs it by `forward`: a layer that is computed from `weight` by hand would leave its adapters out.
class Linear : public Module {
 public:
  Linear(int64_t in_features, int64_t out_features, bool bias = true) : Linear(in_features, out_features, bias, {}) {}
  torch::Tensor forward(const torch::Tensor& input) override;

  /// With a bias [out] that the family puts together itself, for a layer made without one (SwinV2's and EVA's q_bias and v_bias).
  torch::Tensor forward(const torch::Tensor& input, const torch::Tensor& outer_bias);

  torch::Tensor weight, bias;

  /// Adds an adapter around those that are there; its weights become parameters of this layer.
  void attach(std::shared_ptr<LinearAdapter> adapter);
  /// The parts that the outer bias is made of; merging an adapter that scales outputs scales them too.
  void set_outer_bias(std::vector<BiasPart> parts) { outer_bias_ = std::move(parts); }
  const std::vector<std::shared_ptr<LinearAdapter>>& adapters() const { return adapters_; }

  /// Writes the adapters into weight and bias; their parameters leave the module, which then is the plain layer. Again: nothing.
  void merge_adapters();
  /// Back to before, bit for bit. Where somebody wrote to the merged weights in the meantime, the adapters are taken out of what is there
  /// by arithmetic; `can_unmerge` tells whether that is possible.
  void unmerge_adapters();
  bool can_unmerge() const;
  bool merged() const { return !originals_.empty(); }
  /// Forgets the adapters; merged weights stay as they are.
  void unload_adapters();

 protected:
  /// weight [out, in, further…]: axes of size 1 that a checkpoint has beside the two.
  Linear(int64_t in_features, int64_t out_features, bool bias, std::vector<int64_t> further);

 private:
  struct Original {
    torch::Tensor tensor, values;  // the live tensor, and a copy of what it was
    uint32_t version;              // of the live tensor after the merge
  };

  torch::Tensor matrix() const { return weight.dim() == 2 ? weight : weight.flatten(1); }  // [out, in]
  torch::Tensor wide_matrix() const;
  torch::Tensor adapted(size_t count, const torch::Tensor& input, const torch::Tensor& added) const;
  std::vector<BiasPart> bias_parts() const;
  bool untouched() const;
  void follow_weight();
  void show_weights();
  void hide_weights();

  std::vector<std::shared_ptr<LinearAdapter>> adapters_;  // from the layer outwards
  std::vector<BiasPart> outer_bias_;
  std::vector<Original> originals_;  // empty unless merged
};

}  // namespace trivium::nn
