// Transformations that mix channels or neighbours.
#include "augment/kernels/colour.h"

#include "augment/kernels/sharpen.h"
#include "augment/transform.h"

namespace trivium::augment {
namespace {

/// Into a buffer of the image's own: the one it is in, or, out of a lent one, a new one without a copy.
template <typename Kernel>
void pointwise(Image& image, const Kernel& kernel) {
  const uint8_t* source = image.pixels();
  uint8_t* target = image.result(image.height(), image.width());
  kernel(source, target);
  image.accept(image.height(), image.width());
}

}  // namespace

void adjust_saturation(Image& image, double factor) {
  pointwise(image, [&](const uint8_t* source, uint8_t* target) { saturate(source, target, image.count(), static_cast<float>(factor)); });
}

void adjust_hue(Image& image, double shift) {
  pointwise(image, [&](const uint8_t* source, uint8_t* target) { turn_hue(source, target, image.count(), shift); });
}

void greyscale(Image& image) {
  pointwise(image, [&](const uint8_t* source, uint8_t* target) { to_luma(source, target, image.count()); });
}

void adjust_sharpness(Image& image, double factor) {
  pointwise(image, [&](const uint8_t* source, uint8_t* target) {
    sharpen(source, target, image.height(), image.width(), static_cast<float>(factor));
  });
}

}  // namespace trivium::augment
