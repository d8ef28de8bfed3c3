// The central square, with torchvision's offsets. Draws nothing.
#include "augment/operations.h"
#include "augment/resize.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

class CenterCrop final : public Operation {
 public:
  explicit CenterCrop(const Options& options) : size_(side_option(options, "size")) { options.expect_all_used(); }

  void apply(Image& image, Image&, Rng&) const override {
    if (image.height < size_ || image.width < size_) {
      throw error(ErrorKind::Shape, "center_crop: expected images of at least ", size_, "×", size_, " but got ", image.height, "×",
                  image.width);
    }
    if (image.height == size_ && image.width == size_) return;
    image.pixels = crop(image.pixels.data(), image.width, center_offset(image.height, size_), center_offset(image.width, size_), size_, size_);
    image.height = image.width = size_;
  }

 private:
  int64_t size_;
};

}  // namespace

std::unique_ptr<Operation> create_center_crop(const Options& options) { return std::make_unique<CenterCrop>(options); }

}  // namespace trivium::augment
