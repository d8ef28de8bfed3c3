// Resample to a size × size square (the aspect is not kept: crop first where that matters). Draws nothing.
#include "augment/operations.h"
#include "augment/resize.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

class ResizeSquare final : public Operation {
 public:
  explicit ResizeSquare(const Options& options) : size_(side_option(options, "size")), interpolation_(interpolation_option(options)) {
    options.expect_all_used();
  }

  void apply(Image& image, Image&, Rng&) const override {
    if (image.height == size_ && image.width == size_) return;
    image.pixels = resize(image.pixels.data(), image.height, image.width, size_, size_, interpolation_);
    image.height = image.width = size_;
  }

 private:
  int64_t size_;
  std::string interpolation_;
};

}  // namespace

std::unique_ptr<Operation> create_resize(const Options& options) { return std::make_unique<ResizeSquare>(options); }

int64_t side_option(const Options& options, const char* key) {
  const int64_t side = options.integer(key);
  if (side < 1 || side > 8192) throw error(ErrorKind::Config, options.owner(), ": expected ", key, " from 1 to 8192 but got ", side);
  return side;
}

std::string interpolation_option(const Options& options) {
  const std::string name = options.string("interpolation", "bilinear");
  if (name != "bilinear" && name != "bicubic") {
    throw error(ErrorKind::Config, options.owner(), ": expected interpolation \"bilinear\" or \"bicubic\" but got \"", name, "\"");
  }
  return name;
}

}  // namespace trivium::augment
