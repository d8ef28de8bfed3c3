#include "nn/backbones/cifar_cnn.h"

#include "core/error.h"
#include "nn/backbones/common.h"
#include "nn/blocks/cbam.h"
#include "nn/blocks/chain.h"
#include "nn/blocks/conv_norm.h"
#include "nn/blocks/mixstyle.h"

namespace trivium::nn {
namespace {

constexpr int64_t kSmallestImage = 8;  // three halvings must leave a position

class CifarCnn : public Backbone {
 public:
  CifarCnn(const std::string& name, const Options& options) {
    const auto common = read_common(options, 32);
    if (common.image_size < kSmallestImage) {
      throw error(ErrorKind::Config, options.owner(), ": expected image_size of at least ", kSmallestImage, " but got ", common.image_size);
    }
    const int64_t width = read_size(options, "width", name == "cifar_cnn_test" ? 8 : 64, 1024);
    num_features_ = 4 * width;
    stem_ = register_module("stem", std::make_shared<ConvNorm>(3, width / 2 + width % 2));  // [N, w/2, S, S]
    blocks_ = register_module("blocks", std::make_shared<Chain>());
    int64_t channels = width / 2 + width % 2;
    for (const int64_t out : {width, num_features_, num_features_}) {
      blocks_->append(std::make_shared<ConvNorm>(channels, out, true));  // halves the map
      blocks_->append(std::make_shared<ConvNorm>(out, out));
      channels = out;
    }
    if (common.num_classes > 0) fc_ = register_module("fc", std::make_shared<Linear>(num_features_, common.num_classes));
    checkpoint_ = options.boolean("gradient_checkpointing", false);
    if ((cbam_ = read_cbam(options, num_features_))) register_module("cbam", cbam_);
    if ((mixstyle_ = read_mixstyle(options))) register_module("mixstyle", mixstyle_);
  }

  torch::Tensor forward_features(const torch::Tensor& images) override {
    auto map = stem_->forward(images);  // [N, w/2, S, S]
    const auto& links = blocks_->links();
    for (size_t i = 0; i < links.size(); ++i) {
      map = checkpointed(checkpoint_ && is_training(), links[i], map);
      if (mixstyle_ && (i == 1 || i == 3)) map = mixstyle_->forward(map);  // after the first two pairs
    }
    return cbam_ ? cbam_->forward(map) : map;  // [N, 4w, S/8, S/8]
  }
  torch::Tensor pool(const torch::Tensor& features) override { return average_pool(features); }
  torch::Tensor classify(const torch::Tensor& pooled) override { return classify_with(fc_, pooled); }
  int64_t num_features() const override { return num_features_; }
  std::vector<std::vector<std::string>> layers() const override {
    std::vector<std::vector<std::string>> parts{{"stem"}};
    append_parts(parts, "blocks", blocks_->links().size());
    if (cbam_) parts.back().push_back("cbam");
    return parts;
  }

 private:
  int64_t num_features_ = 0;
  std::shared_ptr<ConvNorm> stem_;
  std::shared_ptr<Chain> blocks_;
  bool checkpoint_ = false;
  std::shared_ptr<Cbam> cbam_;
  std::shared_ptr<MixStyle> mixstyle_;
  std::shared_ptr<Linear> fc_;
};

}  // namespace

const BackboneFamily& cifar_cnn_family() {
  static const BackboneFamily family = [] {
    BackboneFamily made{{}, [](const std::string& name, const Options& options) -> std::shared_ptr<Backbone> {
                          return std::make_shared<CifarCnn>(name, options);
                        }};
    const Preprocessing cifar{32, {0.4914, 0.4822, 0.4465}, {0.2470, 0.2435, 0.2616}, "bilinear", 1.0};
    for (const auto* name : {"cifar_cnn", "cifar_cnn_test"}) {
      made.entries.push_back({name, "cifar_cnn", "Jordan 2024, arXiv 2404.00498", true, cifar, "", ""});
    }
    return made;
  }();
  return family;
}

}  // namespace trivium::nn
