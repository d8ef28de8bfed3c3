// Resample to a size × size square (the aspect is not kept: crop first where that matters). Draws nothing.
#include "augment/operations.h"
#include "augment/resize.h"

namespace trivium::augment {
namespace {

class ResizeSquare final : public Operation {
 public:
  explicit ResizeSquare(const Options& options) : size_(side_option(options, "size")), interpolation_(interpolation_option(options)) {
    options.expect_all_used();
  }

  void apply(Image& image, Rng&) const override {
    if (image.height() == size_ && image.width() == size_) return;
    resize_into(image.pixels(), image.width() * 3, image.height(), image.width(), size_, size_, interpolation_,
                image.result(size_, size_));
    image.accept(size_, size_);
  }

 private:
  int64_t size_;
  std::string interpolation_;
};

}  // namespace

std::unique_ptr<Operation> create_resize(const Options& options) { return std::make_unique<ResizeSquare>(options); }

}  // namespace trivium::augment
