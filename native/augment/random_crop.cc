// Random crop after padding (the CIFAR recipe of He et al. 2015, §4.2: pad 4, crop 32).
#include <algorithm>
#include <cstring>

#include "augment/operations.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

/// Position `at` of an endless mirror of 0 … size − 1 whose edge is not repeated (… 2 1 0 1 2 …).
int64_t reflect(int64_t at, int64_t size) {
  if (size == 1) return 0;
  const int64_t period = 2 * (size - 1);
  at = ((at % period) + period) % period;
  return at < size ? at : period - at;
}

/// Draws: the row offset, then the column offset, each uniform over its whole range. The padded picture is never made.
class RandomCrop final : public Operation {
 public:
  explicit RandomCrop(const Options& options)
      : size_(side_option(options, "size")), padding_(options.integer("padding", 0)) {
    const std::string fill = options.string("fill", "constant");
    const double value = options.number("value", 0);
    if (padding_ < 0 || padding_ > 4096) throw error(ErrorKind::Config, "random_crop: expected padding from 0 to 4096 but got ", padding_);
    if (fill != "constant" && fill != "reflect") {
      throw error(ErrorKind::Config, "random_crop: expected fill \"constant\" or \"reflect\" but got \"", fill, "\"");
    }
    if (!(value >= 0 && value <= 255)) throw error(ErrorKind::Config, "random_crop: expected value from 0 to 255 but got ", value);
    value_ = static_cast<uint8_t>(value);
    reflects_ = fill == "reflect";
    options.expect_all_used();
  }

  void apply(Image& image, Rng& rng) const override {
    const int64_t height = image.height(), width = image.width();
    const int64_t rows = height + 2 * padding_ - size_, columns = width + 2 * padding_ - size_;
    if (rows < 0 || columns < 0) {
      throw error(ErrorKind::Shape, "random_crop: expected images of at least ", size_ - 2 * padding_, " pixels a side (size ", size_,
                  ", padding ", padding_, ") but got ", height, "×", width);
    }
    const int64_t top = rng.below(rows + 1) - padding_, left = rng.below(columns + 1) - padding_;
    if (image.traced()) image.note("random_crop", {{"top", static_cast<double>(top)}, {"left", static_cast<double>(left)}});
    const uint8_t* pixels = image.pixels();
    uint8_t* result = image.result(size_, size_);
    const int64_t first = std::clamp<int64_t>(-left, 0, size_);                // columns [first, last) lie in the picture
    const int64_t last = std::clamp<int64_t>(width - left, first, size_);
    for (int64_t y = 0; y < size_; ++y) {
      uint8_t* target = result + y * size_ * 3;
      int64_t row = top + y;
      if (row < 0 || row >= height) {
        if (!reflects_) {
          std::memset(target, value_, static_cast<size_t>(size_ * 3));
          continue;
        }
        row = reflect(row, height);
      }
      const uint8_t* source = pixels + row * width * 3;
      std::memcpy(target + first * 3, source + (left + first) * 3, static_cast<size_t>((last - first) * 3));
      pad(target, source, width, left, 0, first);
      pad(target, source, width, left, last, size_);
    }
    image.accept(size_, size_);
  }

 private:
  void pad(uint8_t* target, const uint8_t* source, int64_t width, int64_t left, int64_t begin, int64_t end) const {
    if (begin >= end) return;
    if (!reflects_) {
      std::memset(target + begin * 3, value_, (end - begin) * 3);
      return;
    }
    for (int64_t x = begin; x < end; ++x) std::memcpy(target + x * 3, source + reflect(left + x, width) * 3, 3);
  }

  int64_t size_, padding_;
  bool reflects_ = false;
  uint8_t value_ = 0;
};

}  // namespace

std::unique_ptr<Operation> create_random_crop(const Options& options) { return std::make_unique<RandomCrop>(options); }

}  // namespace trivium::augment
