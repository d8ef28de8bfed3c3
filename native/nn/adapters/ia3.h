// IA3, Liu et al. 2022, "Few-shot parameter-efficient fine-tuning is better and cheaper than in-context learning", arXiv 2205.05638,
// section 3.3: keys and values are multiplied by l_k and l_v, and what enters the second layer of an MLP by l_ff.
#pragma once

#include <cstdint>

#include "nn/adapters/adapter.h"

namespace trivium::nn {

/// y ⊙ l on the outputs from `first` on: with `first` = D, the keys and values of a fused qkv [3D]. The scale covers the bias.
class Ia3Output : public LinearAdapter {
 public:
  /// For a layer with `weight` [out, in]. l [out − first] starts at one.
  Ia3Output(const torch::Tensor& weight, int64_t first);

  std::vector<std::pair<std::string, torch::Tensor>> weights() const override { return {{"ia3_l", scale_}}; }
  torch::Tensor leave(const torch::Tensor& input, const torch::Tensor& output, bool training) const override;
  void merge(torch::Tensor& weight, std::vector<BiasPart>& bias) const override;
  void unmerge(torch::Tensor& weight, std::vector<BiasPart>& bias) const override;
  bool can_unmerge() const override;

 private:
  void multiply(torch::Tensor& weight, std::vector<BiasPart>& bias, const torch::Tensor& factors) const;

  int64_t first_;
  torch::Tensor scale_;
};

/// layer(x ⊙ l): the bias is left alone.
class Ia3Input : public LinearAdapter {
 public:
  /// For a layer with `weight` [out, in]. l [in] starts at one.
  explicit Ia3Input(const torch::Tensor& weight);

  std::vector<std::pair<std::string, torch::Tensor>> weights() const override { return {{"ia3_l", scale_}}; }
  torch::Tensor enter(const torch::Tensor& input) const override;
  void merge(torch::Tensor& weight, std::vector<BiasPart>& bias) const override;
  void unmerge(torch::Tensor& weight, std::vector<BiasPart>& bias) const override;
  bool can_unmerge() const override;

 private:
  torch::Tensor scale_;
};

}  // namespace trivium::nn
