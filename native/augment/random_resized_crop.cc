// Inception-style crop (Szegedy et al. 2014, arXiv 1409.4842, §6): a window of random area and aspect, resampled to a square.
#include <algorithm>
#include <cmath>

#include "augment/operations.h"
#include "augment/resize.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

/// Draws as torchvision's RandomResizedCrop: up to ten times an area in `scale` (of the whole) and a log-uniform aspect in `ratio`;
/// the first window that fits gets a uniform place. If none fits: the central window with the aspect clamped to `ratio`.
class RandomResizedCrop final : public Operation {
 public:
  explicit RandomResizedCrop(const Options& options)
      : size_(side_option(options, "size")),
        scale_(options.numbers("scale", {0.08, 1.0})),
        ratio_(options.numbers("ratio", {3.0 / 4.0, 4.0 / 3.0})),
        interpolation_(interpolation_option(options)) {
    const auto range = [](const char* key, const std::vector<double>& values, double highest) {
      if (values.size() != 2 || !(values[0] > 0) || !(values[0] <= values[1]) || !(values[1] <= highest)) {
        throw error(ErrorKind::Config, "random_resized_crop: expected ", key, " to be two numbers with 0 < low ≤ high ≤ ", highest);
      }
    };
    range("scale", scale_, 1.0);
    range("ratio", ratio_, 100.0);
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    const double height = static_cast<double>(image.height()), width = static_cast<double>(image.width());
    int64_t h = 0, w = 0, top = 0, left = 0;
    bool found = false;
    for (int attempt = 0; attempt < 10 && !found; ++attempt) {
      const double area = height * width * rng.uniform(scale_[0], scale_[1]);
      const double aspect = std::exp(rng.uniform(std::log(ratio_[0]), std::log(ratio_[1])));
      w = static_cast<int64_t>(std::nearbyint(std::sqrt(area * aspect)));
      h = static_cast<int64_t>(std::nearbyint(std::sqrt(area / aspect)));
      if (w < 1 || h < 1 || w > image.width() || h > image.height()) continue;
      top = rng.below(image.height() - h + 1);
      left = rng.below(image.width() - w + 1);
      found = true;
    }
    if (!found) {
      const double aspect = width / height;
      w = image.width();
      h = image.height();
      if (aspect < ratio_[0]) h = static_cast<int64_t>(std::nearbyint(width / ratio_[0]));
      if (aspect > ratio_[1]) w = static_cast<int64_t>(std::nearbyint(height * ratio_[1]));
      h = std::max<int64_t>(h, 1);
      w = std::max<int64_t>(w, 1);
      top = (image.height() - h) / 2;
      left = (image.width() - w) / 2;
    }
    if (image.traced()) {
      image.note("random_resized_crop", {{"top", static_cast<double>(top)}, {"left", static_cast<double>(left)},
                                         {"height", static_cast<double>(h)}, {"width", static_cast<double>(w)}});
    }
    const uint8_t* window = image.pixels() + (top * image.width() + left) * 3;
    resize_into(window, image.width() * 3, h, w, size_, size_, interpolation_, image.result(size_, size_));
    image.accept(size_, size_);
  }

 private:
  int64_t size_;
  std::vector<double> scale_, ratio_;
  std::string interpolation_;
};

}  // namespace

std::unique_ptr<Operation> create_random_resized_crop(const Options& options) { return std::make_unique<RandomResizedCrop>(options); }

}  // namespace trivium::augment
