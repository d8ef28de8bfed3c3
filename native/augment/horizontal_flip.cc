// Mirror left and right with probability p.
#include "augment/kernels/rows.h"
#include "augment/operations.h"

namespace trivium::augment {
namespace {

class HorizontalFlip final : public Operation {
 public:
  explicit HorizontalFlip(const Options& options) : probability_(probability_option(options, 0.5)) { options.expect_all_used(); }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    image.note("horizontal_flip");
    const int64_t height = image.height(), width = image.width();
    const uint8_t* source = image.pixels();
    uint8_t* target = image.result(height, width);
    for (int64_t y = 0; y < height; ++y) mirror_row(source + y * width * 3, target + y * width * 3, width);
    image.accept(height, width);
  }

 private:
  double probability_;
};

}  // namespace

std::unique_ptr<Operation> create_horizontal_flip(const Options& options) { return std::make_unique<HorizontalFlip>(options); }

}  // namespace trivium::augment
