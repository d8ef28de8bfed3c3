// Mirror left and right with probability p.
#include <algorithm>

#include "augment/operations.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

class HorizontalFlip final : public Operation {
 public:
  explicit HorizontalFlip(const Options& options) : probability_(options.number("p", 0.5)) {
    if (!(probability_ >= 0 && probability_ <= 1)) {
      throw error(ErrorKind::Config, "horizontal_flip: expected p from 0 to 1 but got ", probability_);
    }
    options.expect_all_used();
  }

  void apply(Image& image, Image&, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    for (int64_t y = 0; y < image.height; ++y) {
      uint8_t* row = image.pixels.data() + y * image.width * 3;
      for (int64_t left = 0, right = image.width - 1; left < right; ++left, --right) {
        for (int c = 0; c < 3; ++c) std::swap(row[left * 3 + c], row[right * 3 + c]);
      }
    }
  }

 private:
  double probability_;
};

}  // namespace

std::unique_ptr<Operation> create_horizontal_flip(const Options& options) { return std::make_unique<HorizontalFlip>(options); }

}  // namespace trivium::augment
