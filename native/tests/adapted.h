// A vision transformer with adapters whose values are known, and a network that no family is like.
#pragma once

#include <ATen/ops/cat.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros_like.h>
#include <torch/nn/modules/batchnorm.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.h"
#include "golden.h"
#include "nn/adapters/attach.h"
#include "nn/added_block.h"
#include "nn/blocks/linear.h"
#include "nn/registry.h"

namespace trivium::testing {

using nn::Backbone;
using OptionMap = std::map<std::string, OptionValue>;
using Targets = std::vector<std::string>;

inline std::shared_ptr<Backbone> plain_vit() {
  auto backbone = nn::create_backbone("vit_test", Options("vit_test", {{"num_classes", 7.0}}));
  torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : nn::named_state(*backbone)) tensor.copy_(filled(name, tensor.sizes().vec()));
  backbone->eval();
  return backbone;
}

inline void fill_adapters(Backbone& backbone) {
  torch::NoGradGuard no_grad;
  auto parameters = backbone.named_parameters();
  for (const auto& name : nn::adapter_names(backbone)) {
    auto& tensor = parameters[name];
    tensor.copy_(filled(name, tensor.sizes().vec()));
    if (tensor.dim() == 1) tensor.add_(1);  // IA3: around one
  }
}

inline std::shared_ptr<Backbone> adapted_vit(OptionMap options, const Targets& targets = {}) {
  auto backbone = plain_vit();
  nn::attach_adapters(*backbone, Options("vit_test", std::move(options)), targets);
  fill_adapters(*backbone);
  return backbone;
}

inline torch::Tensor images() { return filled("input", {2, 3, 32, 32}) * 5; }

inline torch::Tensor logits_of(Backbone& backbone) {
  torch::NoGradGuard no_grad;
  return backbone.forward(images());
}

inline std::map<std::string, torch::Tensor> copied_state(const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> copy;
  for (const auto& [name, tensor] : nn::named_state(module)) copy[name] = tensor.detach().clone();
  return copy;
}

inline bool same_state(const std::map<std::string, torch::Tensor>& a, const std::map<std::string, torch::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    if (!b.contains(name) || !tensor.equal(b.at(name))) return false;
  }
  return true;
}

// An attention whose qkv has no bias of its own, as SwinV2's and EVA's: q_bias and v_bias lie beside it.
class SplitBias : public nn::Module {
 public:
  SplitBias() {
    qkv = register_module("qkv", std::make_shared<nn::Linear>(4, 12, false));
    q_bias = register_parameter("q_bias", torch::randn({4}));
    v_bias = register_parameter("v_bias", torch::randn({4}));
  }
  torch::Tensor forward(const torch::Tensor& x) override { return qkv->forward(x, at::cat({q_bias, at::zeros_like(q_bias), v_bias})); }

  std::shared_ptr<nn::Linear> qkv;
  torch::Tensor q_bias, v_bias;
};

class NewBlock : public nn::Module, public nn::AddedBlock {
 public:
  NewBlock() { fc_ = register_module("fc", std::make_shared<nn::Linear>(12, 12)); }
  torch::Tensor forward(const torch::Tensor& x) override { return fc_->forward(x); }

 private:
  std::shared_ptr<nn::Linear> fc_;
};

class SplitBiasNet : public nn::Backbone {
 public:
  SplitBiasNet() {
    attn = register_module("attn", std::make_shared<SplitBias>());
    extra = register_module("extra", std::make_shared<NewBlock>());
    bn = register_module("bn", torch::nn::BatchNorm1d(12));
  }
  torch::Tensor forward_features(const torch::Tensor& x) override { return bn->forward(extra->forward(attn->forward(x))); }
  torch::Tensor pool(const torch::Tensor& features) override { return features; }
  torch::Tensor classify(const torch::Tensor& pooled) override { return pooled; }
  int64_t num_features() const override { return 12; }
  std::vector<std::vector<std::string>> layers() const override { return {{"attn"}, {"extra", "bn"}}; }

  std::shared_ptr<SplitBias> attn;
  std::shared_ptr<NewBlock> extra;
  torch::nn::BatchNorm1d bn{nullptr};
};

}  // namespace trivium::testing
