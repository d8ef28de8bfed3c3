// Cutout, DeVries & Taylor 2017, arXiv 1708.04552: squares about uniform centres, clipped at the border, set to 0 on the normalised
// result (the mean colour), as the authors' code does.
#include <algorithm>

#include "augment/operations.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

/// Draws whether; for each hole the row, then the column of its centre.
class Cutout final : public Operation {
 public:
  explicit Cutout(const Options& options)
      : size_(side_option(options, "size")), holes_(options.integer("holes", 1)), probability_(probability_option(options, 1)) {
    if (holes_ < 1 || holes_ > 1000) throw error(ErrorKind::Config, "cutout: expected holes from 1 to 1000 but got ", holes_);
    options.expect_all_used();
  }

  bool after_normalisation() const override { return true; }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    for (int64_t i = 0; i < holes_; ++i) {
      const int64_t y = rng.below(image.height()), x = rng.below(image.width());
      const int64_t top = std::max<int64_t>(y - size_ / 2, 0), bottom = std::min(y - size_ / 2 + size_, image.height());
      const int64_t left = std::max<int64_t>(x - size_ / 2, 0), right = std::min(x - size_ / 2 + size_, image.width());
      image.erasures.push_back({top, left, bottom - top, right - left, {0, 0, 0}, false, {}});
      if (image.traced()) {
        image.note("cutout", {{"top", static_cast<double>(top)}, {"left", static_cast<double>(left)},
                              {"height", static_cast<double>(bottom - top)}, {"width", static_cast<double>(right - left)}});
      }
    }
  }

 private:
  int64_t size_, holes_;
  double probability_;
};

}  // namespace

std::unique_ptr<Operation> create_cutout(const Options& options) { return std::make_unique<Cutout>(options); }

}  // namespace trivium::augment
