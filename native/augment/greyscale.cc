// Luma in all three channels with probability p (torchvision's RandomGrayscale; p = 0.2 in SimCLR).
#include "augment/operations.h"
#include "augment/transform.h"

namespace trivium::augment {
namespace {

class Greyscale final : public Operation {
 public:
  explicit Greyscale(const Options& options) : probability_(probability_option(options, 0.2)) { options.expect_all_used(); }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    image.note("greyscale");
    greyscale(image);
  }

 private:
  double probability_;
};

}  // namespace

std::unique_ptr<Operation> create_greyscale(const Options& options) { return std::make_unique<Greyscale>(options); }

}  // namespace trivium::augment
