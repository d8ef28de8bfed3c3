// RandAugment, Cubuk et al. 2019, arXiv 1909.13719, with torchvision v2's list of 14 transformations and their scales: `magnitude` is
// a place among `bins` values (0 … bins − 1), not timm's 0–10; enhancers are mirrored about 1. `p` is the chance that a drawn
// transformation is applied (torchvision 1, timm 0.5).
#include "augment/operations.h"
#include "augment/policy.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

/// Draws for each of num_ops: which transformation; with p < 1 whether; the sign where there is one.
class RandAugment final : public Operation {
 public:
  explicit RandAugment(const Options& options)
      : count_(options.integer("num_ops", 2)),
        bins_(options.integer("bins", 31)),
        magnitude_(options.integer("magnitude", 9)),
        probability_(probability_option(options, 1)),
        resampling_(resampling_options(options, "nearest")) {
    if (count_ < 0 || count_ > 100) throw error(ErrorKind::Config, "randaugment: expected num_ops from 0 to 100 but got ", count_);
    if (bins_ < 2 || bins_ > 1000) throw error(ErrorKind::Config, "randaugment: expected bins from 2 to 1000 but got ", bins_);
    if (magnitude_ < 0 || magnitude_ >= bins_) {
      throw error(ErrorKind::Config, "randaugment: expected magnitude from 0 to bins − 1 = ", bins_ - 1, " but got ", magnitude_);
    }
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    const Space& space = kRandAugmentSpace;
    for (int64_t i = 0; i < count_; ++i) {
      const Choice choice = space.choices[static_cast<size_t>(rng.below(static_cast<int64_t>(space.choices.size())))];
      if (probability_ < 1 && !rng.chance(probability_)) continue;
      apply_choice(image, space, choice, bins_, magnitude_, resampling_, rng);
    }
  }

 private:
  int64_t count_, bins_, magnitude_;
  double probability_;
  Resampling resampling_;
};

}  // namespace

std::unique_ptr<Operation> create_randaugment(const Options& options) { return std::make_unique<RandAugment>(options); }

}  // namespace trivium::augment
