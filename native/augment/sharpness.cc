// Sharpness by a drawn factor: 0 smooths, 1 changes nothing, above 1 sharpens (torchvision's RandomAdjustSharpness).
#include <limits>

#include "augment/operations.h"
#include "augment/transform.h"

namespace trivium::augment {
namespace {

/// Draws whether, then the factor.
class Sharpness final : public Operation {
 public:
  explicit Sharpness(const Options& options)
      : probability_(probability_option(options, 0.5)),
        factor_(range_option(options, "factor", {0, 2}, 0, std::numeric_limits<double>::infinity())) {
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    const double factor = factor_.draw(rng);
    if (image.traced()) image.note("sharpness", {{"factor", factor}});
    adjust_sharpness(image, factor);
  }

 private:
  double probability_;
  Range factor_;
};

}  // namespace

std::unique_ptr<Operation> create_sharpness(const Options& options) { return std::make_unique<Sharpness>(options); }

}  // namespace trivium::augment
