// The central square, with torchvision's offsets. Draws nothing.
#include <cstring>

#include "augment/operations.h"
#include "augment/resize.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

class CenterCrop final : public Operation {
 public:
  explicit CenterCrop(const Options& options) : size_(side_option(options, "size")) { options.expect_all_used(); }

  void apply(Image& image, Rng&) const override {
    const int64_t height = image.height(), width = image.width();
    if (height < size_ || width < size_) {
      throw error(ErrorKind::Shape, "center_crop: expected images of at least ", size_, "×", size_, " but got ", height, "×", width);
    }
    if (height == size_ && width == size_) return;
    const uint8_t* source = image.pixels() + (center_offset(height, size_) * width + center_offset(width, size_)) * 3;
    uint8_t* target = image.result(size_, size_);
    for (int64_t y = 0; y < size_; ++y) std::memcpy(target + y * size_ * 3, source + y * width * 3, static_cast<size_t>(size_ * 3));
    image.accept(size_, size_);
  }

 private:
  int64_t size_;
};

}  // namespace

std::unique_ptr<Operation> create_center_crop(const Options& options) { return std::make_unique<CenterCrop>(options); }

}  // namespace trivium::augment
