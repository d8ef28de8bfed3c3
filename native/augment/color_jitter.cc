// Brightness, contrast, saturation and hue by drawn factors, in a drawn order (torchvision's ColorJitter).
#include <array>
#include <limits>
#include <utility>

#include "augment/operations.h"
#include "augment/transform.h"

namespace trivium::augment {
namespace {

/// Draws whether, then the order, then the factor of each of the four that has a range. A range of one neutral value is left out.
class ColorJitter final : public Operation {
 public:
  explicit ColorJitter(const Options& options)
      : probability_(probability_option(options, 1)),
        ranges_{range_option(options, "brightness", {1, 1}, 0, kAny), range_option(options, "contrast", {1, 1}, 0, kAny),
                range_option(options, "saturation", {1, 1}, 0, kAny), range_option(options, "hue", {0, 0}, -0.5, 0.5)} {
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    std::array<int, 4> order{0, 1, 2, 3};
    for (int i = 3; i > 0; --i) std::swap(order[i], order[rng.below(i + 1)]);
    std::array<double, 4> factor{1, 1, 1, 0};
    for (size_t i = 0; i < 4; ++i) {
      if (!is_neutral(i)) factor[i] = ranges_[i].draw(rng);
    }
    if (image.traced()) {
      image.note("color_jitter", {{"brightness", factor[0]}, {"contrast", factor[1]}, {"saturation", factor[2]}, {"hue", factor[3]}});
    }
    for (const int which : order) {
      if (is_neutral(static_cast<size_t>(which))) continue;
      if (which == 0) adjust_brightness(image, factor[0]);
      if (which == 1) adjust_contrast(image, factor[1]);
      if (which == 2) adjust_saturation(image, factor[2]);
      if (which == 3) adjust_hue(image, factor[3]);
    }
  }

 private:
  static constexpr double kAny = std::numeric_limits<double>::infinity();
  bool is_neutral(size_t which) const {
    const double neutral = which == 3 ? 0 : 1;
    return ranges_[which].low == neutral && ranges_[which].high == neutral;
  }

  double probability_;
  std::array<Range, 4> ranges_;
};

}  // namespace

std::unique_ptr<Operation> create_color_jitter(const Options& options) { return std::make_unique<ColorJitter>(options); }

}  // namespace trivium::augment
