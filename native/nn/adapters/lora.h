// LoRA, Hu et al. 2021, "LoRA: Low-rank adaptation of large language models", arXiv 2106.09685, eq. 3:
// y = x Wᵀ + b + (α / r) · dropout(x) Aᵀ Bᵀ.
#pragma once

#include <cstdint>

#include "nn/adapters/adapter.h"

namespace trivium::nn {

struct LoraOptions {
  int64_t rank = 0;
  double alpha = 0;    // the branch is multiplied by alpha / rank
  double dropout = 0;  // of the branch's input, while training
};

class Lora : public LinearAdapter {
 public:
  /// For a layer with `weight` [out, in], on its device and of its type. A [r, in] uniform in ±1/√in (kaiming_uniform with a = √5), B [out, r] zero:
  /// the network computes what it did before. Draws from the global CPU generator.
  Lora(const torch::Tensor& weight, const LoraOptions& options);

  std::vector<std::pair<std::string, torch::Tensor>> weights() const override { return {{"lora_A", a_}, {"lora_B", b_}}; }
  torch::Tensor leave(const torch::Tensor& input, const torch::Tensor& output, bool training) const override;
  void merge(torch::Tensor& weight, std::vector<BiasPart>& bias) const override;
  void unmerge(torch::Tensor& weight, std::vector<BiasPart>& bias) const override;

 private:
  double scale_, dropout_;
  torch::Tensor a_, b_;
};

}  // namespace trivium::nn
