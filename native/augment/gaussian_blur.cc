// Gaussian blur of a drawn width, the edge mirrored (torchvision's GaussianBlur; SimCLR uses σ 0.1–2 and p 0.5).
#include <algorithm>

#include "augment/kernels/blur.h"
#include "augment/operations.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

/// Draws whether, then σ. kernel_size 0: a tenth of the shorter side, odd, at least 3.
class GaussianBlur final : public Operation {
 public:
  explicit GaussianBlur(const Options& options)
      : probability_(probability_option(options, 0.5)),
        size_(options.integer("kernel_size", 0)),
        sigma_(range_option(options, "sigma", {0.1, 2}, 1e-3, 1e3)) {
    if (size_ != 0 && (size_ < 1 || size_ > 255 || size_ % 2 == 0)) {
      throw error(ErrorKind::Config, "gaussian_blur: expected an odd kernel_size from 1 to 255 but got ", size_);
    }
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    if (!rng.chance(probability_)) return;
    const double sigma = sigma_.draw(rng);
    const int64_t height = image.height(), width = image.width(), shorter = std::min(height, width);
    const int64_t size = size_ > 0 ? size_ : std::max<int64_t>(3, shorter / 10 | 1);
    if (size / 2 >= shorter) {
      throw error(ErrorKind::Shape, "gaussian_blur: expected images of more than ", size / 2, " pixels a side for kernel_size ", size,
                  " but got ", height, "×", width);
    }
    if (image.traced()) image.note("gaussian_blur", {{"sigma", sigma}, {"kernel_size", static_cast<double>(size)}});
    const uint8_t* source = image.pixels();
    blur(source, image.result(height, width), height, width, gaussian_weights(size, sigma), image.sums);
    image.accept(height, width);
  }

 private:
  double probability_;
  int64_t size_;
  Range sigma_;
};

}  // namespace

std::unique_ptr<Operation> create_gaussian_blur(const Options& options) { return std::make_unique<GaussianBlur>(options); }

}  // namespace trivium::augment
