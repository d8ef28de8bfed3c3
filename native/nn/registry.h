// name → factory, for backbones and heads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/options.h"
#include "nn/family.h"
#include "nn/module.h"

namespace trivium::nn {


/// Options common to all: num_classes (default 1000; 0 = no classifier), image_size, seed (of the initial weights; without one they come
/// from the global generator). Family-specific ones are read by the family
/// (e.g. resnet: cifar_stem). Throws ConfigError for an unknown name (listing near names) and for an option nobody reads.
std::shared_ptr<Backbone> create_backbone(const std::string& name, const Options& options);

/// The same for a part of a larger network: reads no seed, and lets options that nobody reads pass.
std::shared_ptr<Backbone> make_backbone(const std::string& name, const Options& options);

/// The entry of a name or an alias. Throws ConfigError as create_backbone does.
const BackboneEntry& find_backbone(const std::string& name);
const std::vector<BackboneEntry>& backbones();

/// kind: "projection" {in_features, hidden_features, out_features} → unit-length z [N, out_features];
///       "cosine" {in_features, out_features, sub_centers} → cos θ [N, out_features], rows of weight and input of unit length, weight ~ N(0, 0.01), no bias;
///       "linear" {in_features, out_features} → logits.
/// All take `seed`, as backbones do.
std::shared_ptr<Module> create_head(const std::string& kind, const Options& options);

/// What export traces and predict runs: uint8 [N, S, S, 3] RGB → {logits [N, C], probabilities [N, C], features [N, D]}.
/// Normalises, runs the backbone, multiplies the head's output by `logit_scale` (the cosine head's s, without margin; 1 for linear).
class Classifier : public torch::nn::Module {
 public:
  Classifier(std::shared_ptr<Backbone> backbone, std::shared_ptr<trivium::nn::Module> head, double logit_scale,
             std::vector<double> mean, std::vector<double> std);
  std::vector<torch::Tensor> forward(const torch::Tensor& images);

  std::shared_ptr<Backbone> backbone;
  std::shared_ptr<trivium::nn::Module> head;  // may be null: then the backbone's own classifier gives the logits

 private:
  double logit_scale_;
  torch::Tensor mean_, std_;  // buffers [1, 3, 1, 1]
};

}  // namespace trivium::nn
