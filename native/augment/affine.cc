// Random affine transformation about the centre (torchvision's RandomAffine).
#include <cmath>

#include "augment/operations.h"
#include "augment/transform.h"

namespace trivium::augment {
namespace {

/// Draws whether, then the angle, both translations (as shares of the sides, rounded to pixels), the scale, both shears.
class RandomAffine final : public Operation {
 public:
  explicit RandomAffine(const Options& options)
      : probability_(probability_option(options, 1)),
        degrees_(range_option(options, "degrees", {0, 0}, -360, 360)),
        translate_x_(range_option(options, "translate_x", {0, 0}, -1, 1)),
        translate_y_(range_option(options, "translate_y", {0, 0}, -1, 1)),
        scale_(range_option(options, "scale", {1, 1}, 0.01, 100)),
        shear_x_(range_option(options, "shear_x", {0, 0}, -89, 89)),
        shear_y_(range_option(options, "shear_y", {0, 0}, -89, 89)),
        resampling_(resampling_options(options, "nearest")) {
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    Affine drawn;
    drawn.degrees = degrees_.draw(rng);
    drawn.translate_x = std::nearbyint(translate_x_.draw(rng) * static_cast<double>(image.width()));
    drawn.translate_y = std::nearbyint(translate_y_.draw(rng) * static_cast<double>(image.height()));
    drawn.scale = scale_.draw(rng);
    drawn.shear_x = shear_x_.draw(rng);
    drawn.shear_y = shear_y_.draw(rng);
    if (image.traced()) {
      image.note("affine", {{"degrees", drawn.degrees}, {"translate_x", drawn.translate_x}, {"translate_y", drawn.translate_y},
                            {"scale", drawn.scale}, {"shear_x", drawn.shear_x}, {"shear_y", drawn.shear_y}});
    }
    affine(image, drawn, resampling_);
  }

 private:
  double probability_;
  Range degrees_, translate_x_, translate_y_, scale_, shear_x_, shear_y_;
  Resampling resampling_;
};

}  // namespace

std::unique_ptr<Operation> create_affine(const Options& options) { return std::make_unique<RandomAffine>(options); }

}  // namespace trivium::augment
