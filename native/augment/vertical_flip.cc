// Mirror top and bottom with probability p.
#include <cstring>

#include "augment/operations.h"

namespace trivium::augment {
namespace {

class VerticalFlip final : public Operation {
 public:
  explicit VerticalFlip(const Options& options) : probability_(probability_option(options, 0.5)) { options.expect_all_used(); }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    image.note("vertical_flip");
    const int64_t height = image.height(), width = image.width();
    const uint8_t* source = image.pixels();
    uint8_t* target = image.result(height, width);
    for (int64_t y = 0; y < height; ++y) std::memcpy(target + y * width * 3, source + (height - 1 - y) * width * 3, static_cast<size_t>(width * 3));
    image.accept(height, width);
  }

 private:
  double probability_;
};

}  // namespace

std::unique_ptr<Operation> create_vertical_flip(const Options& options) { return std::make_unique<VerticalFlip>(options); }

}  // namespace trivium::augment
