// AutoAugment, Cubuk et al. 2018, arXiv 1805.09501: one of 25 learnt pairs of transformations, each with its own chance and magnitude.
#include "augment/autoaugment_policies.h"
#include "augment/operations.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

constexpr int64_t kBins = 10;

/// Draws which pair; for each of the two whether, and the sign where there is one.
class AutoAugment final : public Operation {
 public:
  explicit AutoAugment(const Options& options) : resampling_(resampling_options(options, "nearest")) {
    const std::string name = options.string("policy", "imagenet");
    policy_ = autoaugment_policy(name);
    if (policy_.empty()) {
      throw error(ErrorKind::Config, "autoaugment: expected policy \"cifar10\", \"imagenet\" or \"svhn\" but got \"", name, "\"");
    }
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    for (const PolicyStep& step : policy_[static_cast<size_t>(rng.below(static_cast<int64_t>(policy_.size())))]) {
      if (!rng.chance(step.probability)) continue;
      apply_choice(image, kAutoAugmentSpace, step.choice, kBins, step.index, resampling_, rng);
    }
  }

 private:
  std::span<const SubPolicy> policy_;
  Resampling resampling_;
};

}  // namespace

std::unique_ptr<Operation> create_autoaugment(const Options& options) { return std::make_unique<AutoAugment>(options); }

}  // namespace trivium::augment
