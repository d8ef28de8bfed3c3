// The fixed transformations that policies draw from, with torchvision v2's definitions on uint8 tensors: one function each, no
// randomness. Level tables are composed (see Image::map), everything else is done at once.
#pragma once

#include <array>
#include <string>

#include "augment/image.h"
#include "augment/kernels/warp.h"
#include "core/options.h"

namespace trivium::augment {

void adjust_brightness(Image& image, double factor);
void adjust_contrast(Image& image, double factor);
void adjust_saturation(Image& image, double factor);
void adjust_sharpness(Image& image, double factor);
void adjust_hue(Image& image, double shift);  // of a full circle
void posterize(Image& image, int64_t bits);
void solarize(Image& image, double threshold);
void autocontrast(Image& image);
void equalize(Image& image);
void invert(Image& image);
void greyscale(Image& image);

/// How geometry is resampled, and what lies outside.
struct Resampling {
  bool bilinear = false;
  WarpFill fill;
};

/// Reads `interpolation` ("nearest" or "bilinear") and `fill` (none, a level, or three of them).
Resampling resampling_options(const Options& options, const std::string& interpolation);

/// Degrees counter-clockwise, about the centre.
void rotate(Image& image, double degrees, const Resampling& resampling);

struct Affine {
  double degrees = 0;              // clockwise, as torchvision's affine turns
  double translate_x = 0, translate_y = 0;  // pixels
  double scale = 1;
  double shear_x = 0, shear_y = 0;  // degrees
  bool about_corner = false;        // the upper left corner stays in its place, instead of the centre
};
void affine(Image& image, const Affine& affine, const Resampling& resampling);

}  // namespace trivium::augment
