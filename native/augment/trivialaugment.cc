// TrivialAugment, Müller & Hutter 2021, arXiv 2103.10158: one transformation, its level uniform over the scale. Wide: shear 0.99,
// translate 32 pixels, rotate 135°, posterize 2–8 bits, enhancers 1 ± 0.99 (torchvision's, mirrored about 1; the authors' code has
// 0.01–2.0). Otherwise the authors' standard space: shear 0.3, translate 10 pixels, rotate 30°, posterize 4–8 bits, enhancers 1 ± 0.9.
#include "augment/operations.h"
#include "augment/policy.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

/// Draws which transformation, its level, the sign where there is one.
class TrivialAugment final : public Operation {
 public:
  explicit TrivialAugment(const Options& options)
      : space_(options.boolean("wide", true) ? kTrivialAugmentWideSpace : kTrivialAugmentSpace),
        bins_(options.integer("bins", 31)),
        resampling_(resampling_options(options, "nearest")) {
    if (bins_ < 2 || bins_ > 1000) throw error(ErrorKind::Config, "trivialaugment: expected bins from 2 to 1000 but got ", bins_);
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    const Choice choice = space_.choices[static_cast<size_t>(rng.below(static_cast<int64_t>(space_.choices.size())))];
    apply_choice(image, space_, choice, bins_, rng.below(bins_), resampling_, rng);
  }

 private:
  const Space& space_;
  int64_t bins_;
  Resampling resampling_;
};

}  // namespace

std::unique_ptr<Operation> create_trivialaugment(const Options& options) { return std::make_unique<TrivialAugment>(options); }

}  // namespace trivium::augment
