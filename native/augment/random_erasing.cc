// Random erasing, Zhong et al. 2017, arXiv 1708.04896, on the normalised result, with torchvision's draws: up to ten times an area
// (share of the image) and a log-uniform aspect (height / width); the first box smaller than the image gets a uniform place.
#include <cmath>

#include "augment/operations.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

class RandomErasing final : public Operation {
 public:
  explicit RandomErasing(const Options& options)
      : probability_(probability_option(options, 0.25)),
        scale_(range_option(options, "scale", {0.02, 0.33}, 0, 1)),
        ratio_(range_option(options, "ratio", {0.3, 3.3}, 1e-3, 1e3)),
        per_pixel_(options.boolean("per_pixel", false)) {
    const std::vector<double> value = options.numbers("value", {0, 0, 0});
    if (value.size() != 3) throw error(ErrorKind::Config, "random_erasing: expected value to be 3 numbers but got ", value.size());
    for (size_t c = 0; c < 3; ++c) value_[c] = static_cast<float>(value[c]);
    options.expect_all_used();
  }

  bool after_normalisation() const override { return true; }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    const double low = std::log(ratio_.low), high = std::log(ratio_.high);
    for (int attempt = 0; attempt < 10; ++attempt) {
      const double area = static_cast<double>(image.count()) * scale_.draw(rng);
      const double aspect = std::exp(Range{low, high}.draw(rng));
      const int64_t height = static_cast<int64_t>(std::nearbyint(std::sqrt(area * aspect)));
      const int64_t width = static_cast<int64_t>(std::nearbyint(std::sqrt(area / aspect)));
      if (height >= image.height() || width >= image.width()) continue;
      const int64_t top = rng.below(image.height() - height + 1), left = rng.below(image.width() - width + 1);
      // The pixels of the box are a sequence of their own, so that how many there are moves no other draw.
      const uint64_t upper = rng.next(), lower = rng.next();
      image.erasures.push_back({top, left, height, width, value_, per_pixel_, {.seed = (upper << 32) | lower}});
      if (image.traced()) {
        image.note("random_erasing", {{"top", static_cast<double>(top)}, {"left", static_cast<double>(left)},
                                      {"height", static_cast<double>(height)}, {"width", static_cast<double>(width)}});
      }
      return;
    }
  }

 private:
  double probability_;
  Range scale_, ratio_;
  bool per_pixel_;
  std::array<float, 3> value_;
};

}  // namespace

std::unique_ptr<Operation> create_random_erasing(const Options& options) { return std::make_unique<RandomErasing>(options); }

}  // namespace trivium::augment
