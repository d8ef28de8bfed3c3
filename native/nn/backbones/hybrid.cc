#include "nn/backbones/hybrid.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tanh.h>
#include <torch/types.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/error.h"
#include "nn/added_block.h"
#include "nn/backbones/common.h"
#include "nn/registry.h"

namespace trivium::nn {
namespace {

const Preprocessing kPreprocessing{224, kImageNetMean, kImageNetStd, "bicubic", 0.9};

bool is_convolutional(const BackboneEntry& entry) {
  static const std::set<std::string> families{"resnet", "cifar_resnet", "convnext", "small_cnn", "cifar_cnn"};
  return families.contains(entry.family);
}

/// One of the two networks, with the arithmetic from the hybrid's normalisation to its own.
class Half {
 public:
  Half(const std::string& key, const Options& options, const std::string& fallback, int64_t image_size, const std::set<std::string>& not_its) {
    const auto name = options.string(key, fallback);
    const auto& entry = find_backbone(name);
    if (entry.family == "hybrid" || is_convolutional(entry) != (key == "cnn_model")) {
      throw error(ErrorKind::Config, options.owner(), ": expected ", key, " to be a ",
                  key == "cnn_model" ? "convolutional network" : "transformer", " but got ", name, " of the family ", entry.family);
    }
    auto without = not_its;
    without.insert({"cnn_model", "vit_model", "fusion", "fusion_width", "num_classes", "image_size", "seed"});
    if (entry.family == "small_cnn" || entry.family == "cifar_cnn") without.insert("drop_path_rate");  // the transformer's alone
    const std::map<std::string, OptionValue> own{{"num_classes", 0.0}, {"image_size", static_cast<double>(image_size)}};
    network = make_backbone(name, options.part(name, without, own));
    const auto& target = network->preprocessing();
    if (target.mean == kPreprocessing.mean && target.std == kPreprocessing.std) return;
    // (pixel − m) / s with pixel = x · s₀ + m₀.
    std::vector<double> scale, shift;
    for (size_t i = 0; i < 3; ++i) {
      scale.push_back(kPreprocessing.std[i] / target.std[i]);
      shift.push_back((kPreprocessing.mean[i] - target.mean[i]) / target.std[i]);
    }
    scale_ = torch::tensor(scale, torch::kDouble).to(torch::kFloat).view({1, 3, 1, 1});
    shift_ = torch::tensor(shift, torch::kDouble).to(torch::kFloat).view({1, 3, 1, 1});
  }

  /// [N, 3, S, S] → pooled features.
  torch::Tensor features(const torch::Tensor& images) {
    if (!scale_.defined()) return network->pool(network->forward_features(images));
    if (scale_.device() != images.device()) scale_ = scale_.to(images.device()), shift_ = shift_.to(images.device());
    const auto own = images * scale_.to(images.scalar_type()) + shift_.to(images.scalar_type());
    return network->pool(network->forward_features(own));
  }

  std::shared_ptr<Backbone> network;

 private:
  torch::Tensor scale_, shift_;  // undefined where the normalisations are equal
};

/// h = z ⊙ tanh(C c) + (1 − z) ⊙ tanh(V v) with z = σ(Z [c; v]): each feature chooses between the halves.
class GatedFusion : public torch::nn::Module, public AddedBlock {
 public:
  GatedFusion(int64_t cnn_features, int64_t vit_features, int64_t width) {
    cnn_ = register_module("cnn", std::make_shared<Linear>(cnn_features, width));
    vit_ = register_module("vit", std::make_shared<Linear>(vit_features, width));
    gate_ = register_module("gate", std::make_shared<Linear>(cnn_features + vit_features, width));
  }
  torch::Tensor forward(const torch::Tensor& cnn, const torch::Tensor& vit) {
    const auto gate = at::sigmoid(gate_->forward(at::cat({cnn, vit}, 1)));
    const auto a = at::tanh(cnn_->forward(cnn)), b = at::tanh(vit_->forward(vit));
    return b + gate * (a - b);
  }

 private:
  std::shared_ptr<Linear> cnn_, vit_, gate_;
};

using Parts = std::vector<std::vector<std::string>>;

/// The parts of both, the last beside the last: what stands equally far from the classifier learns alike.
Parts side_by_side(const Parts& cnn, const Parts& vit) {
  Parts joined(std::max(cnn.size(), vit.size()));
  const auto add = [&](const Parts& parts, const std::string& prefix) {
    const size_t first = joined.size() - parts.size();
    for (size_t i = 0; i < parts.size(); ++i) {
      for (const auto& name : parts[i]) joined[first + i].push_back(prefix + name);
    }
  };
  add(cnn, "cnn.");
  add(vit, "vit.");
  return joined;
}

class Hybrid : public Backbone {
 public:
  Hybrid(const std::string& name, const Options& options) : Hybrid(name, options, read_common(options, name == "hybrid_test" ? 32 : 224)) {}

  torch::Tensor forward_features(const torch::Tensor& images) override {
    const auto cnn = cnn_.features(images), vit = vit_.features(images);
    const auto type = at::promote_types(cnn.scalar_type(), vit.scalar_type());
    return gate_ ? gate_->forward(cnn.to(type), vit.to(type)) : at::cat({cnn.to(type), vit.to(type)}, 1);
  }
  torch::Tensor pool(const torch::Tensor& features) override { return features; }
  torch::Tensor classify(const torch::Tensor& pooled) override { return classify_with(head_, pooled); }
  int64_t num_features() const override { return num_features_; }
  Parts layers() const override { return with_fusion(side_by_side(cnn_.network->layers(), vit_.network->layers())); }
  Parts stages() const override { return with_fusion(side_by_side(cnn_.network->stages(), vit_.network->stages())); }

 private:
  Hybrid(const std::string& name, const Options& options, const CommonOptions& common)
      : cnn_("cnn_model", options, name == "hybrid_test" ? "resnet_test" : "convnextv2_tiny", common.image_size,
             {"patch_size", "token_merging_ratio", "token_merging_inflection", "token_learner_tokens"}),
        vit_("vit_model", options, name == "hybrid_test" ? "vit_test" : "vit_small_patch14_dinov2", common.image_size, {"cifar_stem", "width"}) {
    register_module("cnn", cnn_.network);
    register_module("vit", vit_.network);
    const int64_t cnn = cnn_.network->num_features(), vit = vit_.network->num_features();
    const auto fusion = options.string("fusion", "concat");
    if (fusion == "gate") {
      num_features_ = read_size(options, "fusion_width", vit, 1 << 16);
      gate_ = register_module("fusion", std::make_shared<GatedFusion>(cnn, vit, num_features_));
    } else if (fusion == "concat") {
      if (options.has("fusion_width")) {
        throw error(ErrorKind::Config, options.owner(), ": fusion_width is set but fusion is concat, whose width is that of both halves");
      }
      num_features_ = cnn + vit;
    } else {
      throw error(ErrorKind::Config, options.owner(), ": expected fusion to be concat or gate but got \"", fusion, "\"");
    }
    if (common.num_classes > 0) head_ = register_module("head", std::make_shared<Linear>(num_features_, common.num_classes));
  }

  Parts with_fusion(Parts parts) const {
    if (gate_) parts.back().push_back("fusion");
    return parts;
  }

  Half cnn_, vit_;
  int64_t num_features_ = 0;
  std::shared_ptr<GatedFusion> gate_;
  std::shared_ptr<Linear> head_;
};

}  // namespace

const BackboneFamily& hybrid_family() {
  static const BackboneFamily family = [] {
    BackboneFamily made{{}, [](const std::string& name, const Options& options) -> std::shared_ptr<Backbone> {
                          return std::make_shared<Hybrid>(name, options);
                        }};
    auto small = kPreprocessing;
    small.image_size = 32;
    made.entries.push_back({"hybrid", "hybrid", "Arevalo et al. 2017, arXiv 1702.01992 (gate)", true, kPreprocessing, "", ""});
    made.entries.push_back({"hybrid_test", "hybrid", "Arevalo et al. 2017, arXiv 1702.01992 (gate)", true, small, "", ""});
    return made;
  }();
  return family;
}

}  // namespace trivium::nn
