// Rotation about the centre by a drawn angle (torchvision's RandomRotation without expand).
#include "augment/operations.h"
#include "augment/transform.h"

namespace trivium::augment {
namespace {

/// Draws whether, then the angle.
class Rotation final : public Operation {
 public:
  explicit Rotation(const Options& options)
      : probability_(probability_option(options, 1)),
        degrees_(range_option(options, "degrees", {-30, 30}, -360, 360)),
        resampling_(resampling_options(options, "nearest")) {
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    const double degrees = degrees_.draw(rng);
    if (image.traced()) image.note("rotation", {{"degrees", degrees}});
    rotate(image, degrees, resampling_);
  }

 private:
  double probability_;
  Range degrees_;
  Resampling resampling_;
};

}  // namespace

std::unique_ptr<Operation> create_rotation(const Options& options) { return std::make_unique<Rotation>(options); }

}  // namespace trivium::augment
