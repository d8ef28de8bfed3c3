// Convolutional block attention: Woo et al. 2018, "CBAM: Convolutional block attention module", arXiv 1807.06521, §3. Names and numbers of
// the authors' code (Jongchan/attention-module, MODELS/cbam.py).
#pragma once

#include <cstdint>
#include <memory>

#include "core/options.h"
#include "nn/added_block.h"
#include "nn/module.h"

namespace trivium::nn {

/// [N, C, H, W] → [N, C, H, W]: the map weighted by channel, σ(mlp(average) + mlp(maximum)) (eq. 2), then by position,
/// σ(norm(conv7×7([maximum over channels; mean over channels]))) (eq. 3).
class Cbam : public Module, public AddedBlock {
 public:
  explicit Cbam(int64_t channels);
  torch::Tensor forward(const torch::Tensor& map) override;

  /// [N, P + side², C] → the same: the tokens after the first P (class token, registers) as a map, row by row. Those stay as they are.
  torch::Tensor on_tokens(const torch::Tensor& tokens, int64_t prefix, int64_t side);

 private:
  std::shared_ptr<Module> channel_gate_, spatial_gate_;
};

/// The option use_cbam: a Cbam for maps of `channels` channels, or null. Default off.
std::shared_ptr<Cbam> read_cbam(const Options& options, int64_t channels);

}  // namespace trivium::nn
