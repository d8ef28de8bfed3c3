// The two shapes of network that the rest of the code knows: a Module maps a tensor to a tensor; a Backbone is a Module
// with timm's names and steps (forward_features → forward_head).
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace trivium::nn {

class Module : public torch::nn::Module {
 public:
  virtual torch::Tensor forward(const torch::Tensor& input) = 0;
};

/// How an image becomes the network's input; travels with the weights.
struct Preprocessing {
  int64_t image_size = 224;
  std::vector<double> mean{0.485, 0.456, 0.406};
  std::vector<double> std{0.229, 0.224, 0.225};
  std::string interpolation = "bilinear";
  double crop_fraction = 0.875;
};

class Backbone : public Module {
 public:
  /// [N, 3, S, S] float → what timm's forward_features returns, in timm's layout (NCHW map for conv nets, [N, T, D] tokens for ViT).
  virtual torch::Tensor forward_features(const torch::Tensor& images) = 0;

  /// Pooled features [N, num_features()] of forward_features' result (timm's forward_head(pre_logits=True)).
  virtual torch::Tensor pool(const torch::Tensor& features) = 0;

  /// Pooled features → logits [N, num_classes]; the identity when built with num_classes = 0.
  virtual torch::Tensor classify(const torch::Tensor& pooled) = 0;

  torch::Tensor forward(const torch::Tensor& images) override { return classify(pool(forward_features(images))); }

  virtual int64_t num_features() const = 0;

  /// The network cut by depth, input first, the classifier left out; a part is a list of prefixes of tensor names. Layers are its smallest
  /// repeated parts (stem, each block, …): layer-wise learning-rate decay counts them. Stages are what freezing counts.
  virtual std::vector<std::vector<std::string>> layers() const = 0;
  virtual std::vector<std::vector<std::string>> stages() const { return layers(); }

  const Preprocessing& preprocessing() const { return preprocessing_; }
  void set_preprocessing(Preprocessing preprocessing) { preprocessing_ = std::move(preprocessing); }

 private:
  Preprocessing preprocessing_;
};

/// Every parameter, then every buffer, under timm's dotted names and in registration order: what a state dict holds.
std::vector<std::pair<std::string, torch::Tensor>> named_state(const torch::nn::Module& module);

/// Stores 4-D parameters channels-last, the layout convolutions run fastest in.
void to_channels_last(torch::nn::Module& module);

}  // namespace trivium::nn
