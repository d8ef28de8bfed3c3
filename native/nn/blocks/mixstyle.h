// MixStyle: Zhou et al. 2021, "Domain generalization with MixStyle", arXiv 2104.02008, §3.2.
#pragma once

#include <cstdint>
#include <memory>

#include "core/options.h"
#include "nn/module.h"

namespace trivium::nn {

/// Eq. 4–8: `map` normalised by its own mean and deviation over `positions`, then given λ of these and 1 − λ of those of the samples
/// `order` [N]. `lambda` [N, 1, ...] in [0, 1]. Means and deviations carry no gradient.
torch::Tensor mix_styles(const torch::Tensor& map, const torch::Tensor& lambda, const torch::Tensor& order, at::IntArrayRef positions);

/// While training, with `probability` for each batch, mix_styles with a random partner for each sample and λ ~ Beta(alpha, alpha); labels
/// stay. In evaluation the identity. No tensors of its own.
class MixStyle : public Module {
 public:
  MixStyle(double probability, double alpha);
  /// [N, C, H, W] → [N, C, H, W], statistics over height and width.
  torch::Tensor forward(const torch::Tensor& map) override { return mix(map, {2, 3}); }
  /// Any tensor whose axis 0 is the batch; statistics over the axes `positions`.
  torch::Tensor mix(const torch::Tensor& map, at::IntArrayRef positions);
  /// [N, T, D] → [N, T, D]: statistics over the tokens after the first `prefix` ones (class token, registers), which stay as they are.
  torch::Tensor mix_tokens(const torch::Tensor& tokens, int64_t prefix);

 private:
  double probability_, alpha_;
};

/// The options use_mixstyle (default off), mixstyle_p (0.5) and mixstyle_alpha (0.1; the paper's numbers): a MixStyle, or null. Throws
/// ConfigError for numbers out of range, and for p or alpha without use_mixstyle.
std::shared_ptr<MixStyle> read_mixstyle(const Options& options);

}  // namespace trivium::nn
