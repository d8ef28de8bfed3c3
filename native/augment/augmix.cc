// AugMix, Hendrycks et al. 2019, arXiv 1912.02781, as torchvision v2 defines it: `width` chains of `depth` transformations (0: 1 to 3,
// drawn), averaged with Dirichlet(alpha) weights, then mixed with the image itself with a Beta(alpha, alpha) weight. Magnitudes are
// drawn from the `severity` weakest of 10.
#include <algorithm>
#include <cmath>
#include <vector>

#include "augment/kernels/rows.h"
#include "augment/operations.h"
#include "augment/policy.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

constexpr int64_t kBins = 10;

/// Gamma(shape, 1), Marsaglia & Tsang 2000, "A simple method for generating gamma variables".
double gamma(double shape, Rng& rng) {
  if (shape < 1) return gamma(shape + 1, rng) * std::pow(1 - rng.uniform(), 1 / shape);
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    // 1 − uniform lies in (0, 1], where the logarithm is finite.
    const double normal = std::sqrt(-2 * std::log(1 - rng.uniform())) * std::cos(6.283185307179586 * rng.uniform());
    const double v = std::pow(1 + c * normal, 3);
    const double u = 1 - rng.uniform();
    if (v > 0 && std::log(u) < 0.5 * normal * normal + d - d * v + d * std::log(v)) return d * v;
  }
}

std::vector<double> dirichlet(double alpha, int64_t parts, Rng& rng) {
  std::vector<double> weights;
  double total = 0;
  for (int64_t i = 0; i < parts; ++i) total += weights.emplace_back(gamma(alpha, rng));
  for (double& weight : weights) weight = total > 0 ? weight / total : 1.0 / static_cast<double>(parts);
  return weights;
}

class AugMix final : public Operation {
 public:
  explicit AugMix(const Options& options)
      : severity_(options.integer("severity", 3)),
        width_(options.integer("width", 3)),
        depth_(options.integer("depth", 0)),
        alpha_(options.number("alpha", 1)),
        space_(options.boolean("all_ops", true) ? kAugMixSpace : kAugMixPartialSpace),
        resampling_(resampling_options(options, "bilinear")) {
    if (severity_ < 1 || severity_ > kBins) throw error(ErrorKind::Config, "augmix: expected severity from 1 to 10 but got ", severity_);
    if (width_ < 1 || width_ > 100) throw error(ErrorKind::Config, "augmix: expected width from 1 to 100 but got ", width_);
    if (depth_ < 0 || depth_ > 100) throw error(ErrorKind::Config, "augmix: expected depth from 0 to 100 but got ", depth_);
    if (!(alpha_ > 0)) throw error(ErrorKind::Config, "augmix: expected alpha above 0 but got ", alpha_);
    options.expect_all_used();
  }

  /// Draws the image's own weight, the chains' weights; for each chain its depth; for each transformation which, its level, its sign.
  void apply(Image& image, Rng& rng) const override {
    const double own = dirichlet(alpha_, 2, rng)[0];
    const std::vector<double> weights = dirichlet(alpha_, width_, rng);
    image.note("augmix", {{"own_weight", own}});
    const int64_t values = image.count() * 3;
    const uint8_t* pixels = image.pixels();
    std::vector<float>& mixture = image.mixture;
    mixture.assign(static_cast<size_t>(values), 0.0f);
    accumulate(pixels, static_cast<float>(own), mixture.data(), values);
    thread_local Image chain;
    chain.draws = image.draws;
    for (const double weight : weights) {
      chain.lend(pixels, image.height(), image.width());
      const int64_t depth = depth_ > 0 ? depth_ : 1 + rng.below(3);
      for (int64_t i = 0; i < depth; ++i) {
        const Choice choice = space_.choices[static_cast<size_t>(rng.below(static_cast<int64_t>(space_.choices.size())))];
        apply_choice(chain, space_, choice, kBins, rng.below(severity_), resampling_, rng);
      }
      accumulate(chain.pixels(), static_cast<float>(weight * (1 - own)), mixture.data(), values);
    }
    truncate(mixture.data(), image.result(image.height(), image.width()), values);
    image.accept(image.height(), image.width());
  }

 private:
  int64_t severity_, width_, depth_;
  double alpha_;
  const Space& space_;
  Resampling resampling_;
};

}  // namespace

std::unique_ptr<Operation> create_augmix(const Options& options) { return std::make_unique<AugMix>(options); }

}  // namespace trivium::augment
