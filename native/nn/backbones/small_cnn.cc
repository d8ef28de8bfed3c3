#include "nn/backbones/small_cnn.h"

#include "core/error.h"
#include "nn/backbones/common.h"
#include "nn/blocks/cbam.h"
#include "nn/blocks/chain.h"
#include "nn/blocks/conv_norm.h"
#include "nn/blocks/mixstyle.h"

namespace trivium::nn {
namespace {

constexpr int64_t kSmallestImage = 4;  // two halvings must leave a position

class SmallCnn : public Backbone {
 public:
  explicit SmallCnn(const Options& options) {
    const auto common = read_common(options, 8);
    if (common.image_size < kSmallestImage) {
      throw error(ErrorKind::Config, options.owner(), ": expected image_size of at least ", kSmallestImage, " but got ", common.image_size);
    }
    const int64_t width = read_size(options, "width", 32, 1024);
    num_features_ = 4 * width;
    stages_ = register_module("stages", std::make_shared<Chain>());
    stages_->append(std::make_shared<ConvNorm>(3, width));                        // [N, w, S, S]
    stages_->append(std::make_shared<ConvNorm>(width, width, true));              // [N, w, S/2, S/2]
    stages_->append(std::make_shared<ConvNorm>(width, 2 * width));                // [N, 2w, S/2, S/2]
    stages_->append(std::make_shared<ConvNorm>(2 * width, 2 * width, true));      // [N, 2w, S/4, S/4]
    stages_->append(std::make_shared<ConvNorm>(2 * width, num_features_));        // [N, 4w, S/4, S/4]
    if (common.num_classes > 0) fc_ = register_module("fc", std::make_shared<Linear>(num_features_, common.num_classes));
    checkpoint_ = options.boolean("gradient_checkpointing", false);
    if ((cbam_ = read_cbam(options, num_features_))) register_module("cbam", cbam_);
    if ((mixstyle_ = read_mixstyle(options))) register_module("mixstyle", mixstyle_);
  }

  torch::Tensor forward_features(const torch::Tensor& images) override {
    auto map = images;
    const auto& links = stages_->links();
    for (size_t i = 0; i < links.size(); ++i) {
      map = checkpointed(checkpoint_ && is_training(), links[i], map);
      if (mixstyle_ && (i == 1 || i == 3)) map = mixstyle_->forward(map);  // where the map was halved
    }
    return cbam_ ? cbam_->forward(map) : map;
  }
  torch::Tensor pool(const torch::Tensor& features) override { return average_pool(features); }
  torch::Tensor classify(const torch::Tensor& pooled) override { return classify_with(fc_, pooled); }
  int64_t num_features() const override { return num_features_; }
  std::vector<std::vector<std::string>> layers() const override {
    std::vector<std::vector<std::string>> parts;
    append_parts(parts, "stages", stages_->links().size());
    if (cbam_) parts.back().push_back("cbam");
    return parts;
  }

 private:
  int64_t num_features_ = 0;
  std::shared_ptr<Chain> stages_;
  bool checkpoint_ = false;
  std::shared_ptr<Cbam> cbam_;
  std::shared_ptr<MixStyle> mixstyle_;
  std::shared_ptr<Linear> fc_;
};

}  // namespace

const BackboneFamily& small_cnn_family() {
  static const BackboneFamily family{
      {{"small_cnn", "small_cnn", "LeCun et al. 1998, Proc. IEEE 86(11)", true, {8, kImageNetMean, kImageNetStd, "bilinear", 1.0}, "", ""}},
      [](const std::string&, const Options& options) -> std::shared_ptr<Backbone> { return std::make_shared<SmallCnn>(options); }};
  return family;
}

}  // namespace trivium::nn
