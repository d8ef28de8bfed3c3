// The level tables as operations of their own: posterize, solarize, autocontrast, equalize, invert, each with probability p.
#include "augment/operations.h"
#include "augment/transform.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

/// Draws whether.
class LevelOperation final : public Operation {
 public:
  LevelOperation(const Options& options, void (*change)(Image&, double), double value)
      : name_(options.owner()), probability_(probability_option(options, 0.5)), change_(change), value_(value) {
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    image.note(name_.c_str());
    change_(image, value_);
  }

 private:
  std::string name_;
  double probability_;
  void (*change_)(Image&, double);
  double value_;
};

}  // namespace

std::unique_ptr<Operation> create_posterize(const Options& options) {
  const int64_t bits = options.integer("bits", 4);
  if (bits < 0 || bits > 8) throw error(ErrorKind::Config, "posterize: expected bits from 0 to 8 but got ", bits);
  return std::make_unique<LevelOperation>(
      options, [](Image& image, double value) { posterize(image, static_cast<int64_t>(value)); }, static_cast<double>(bits));
}

std::unique_ptr<Operation> create_solarize(const Options& options) {
  const double threshold = options.number("threshold", 128);
  if (!(threshold >= 0 && threshold <= 255)) {
    throw error(ErrorKind::Config, "solarize: expected threshold from 0 to 255 but got ", threshold);
  }
  return std::make_unique<LevelOperation>(options, [](Image& image, double value) { solarize(image, value); }, threshold);
}

std::unique_ptr<Operation> create_autocontrast(const Options& options) {
  return std::make_unique<LevelOperation>(options, [](Image& image, double) { autocontrast(image); }, 0);
}

std::unique_ptr<Operation> create_equalize(const Options& options) {
  return std::make_unique<LevelOperation>(options, [](Image& image, double) { equalize(image); }, 0);
}

std::unique_ptr<Operation> create_invert(const Options& options) {
  return std::make_unique<LevelOperation>(options, [](Image& image, double) { invert(image); }, 0);
}

}  // namespace trivium::augment
