// What RandAugment, TrivialAugment, AutoAugment and AugMix choose from: named transformations and the scales of their magnitudes,
// as torchvision v2 lists them. A space is an ordered list; a magnitude is a place on a scale of `bins` values.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "augment/transform.h"
#include "core/rng.h"

namespace trivium::augment {

enum class Choice {
  Identity, ShearX, ShearY, TranslateX, TranslateY, Rotate, Brightness, Color, Contrast, Sharpness, Posterize, Solarize, AutoContrast,
  Equalize, Invert
};

const char* choice_name(Choice choice);

struct Space {
  std::span<const Choice> choices;
  double shear, rotate, enhance;     // largest magnitudes
  double translate_share;            // of the side; 0: translate_pixels
  double translate_pixels;
  int posterize_from, posterize_by;  // bits left at the weakest, and how many of them the strongest takes away
};

extern const Space kRandAugmentSpace, kTrivialAugmentSpace, kTrivialAugmentWideSpace, kAutoAugmentSpace, kAugMixSpace, kAugMixPartialSpace;

/// Value `index` of the scale of `bins` values, without a sign; none for a transformation that has no magnitude.
std::optional<double> magnitude(const Space& space, Choice choice, int64_t bins, int64_t index, int64_t height, int64_t width);

/// Whether the sign of the magnitude is drawn.
bool is_signed(Choice choice);

/// Does it, with torchvision's meaning of the magnitude: slope, whole pixels, degrees, factor − 1, bits, threshold / 255.
void apply_choice(Image& image, Choice choice, double magnitude, const Resampling& resampling);

/// One transformation at `index` of its scale; draws the sign where there is one.
void apply_choice(Image& image, const Space& space, Choice choice, int64_t bins, int64_t index, const Resampling& resampling, Rng& rng);

}  // namespace trivium::augment
