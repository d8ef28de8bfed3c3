#include "augment/policy.h"

#include <array>
#include <cmath>
#include <numbers>

namespace trivium::augment {
namespace {

using enum Choice;

constexpr std::array kCommon{Identity, ShearX,     ShearY,   TranslateX, TranslateY, Rotate,       Brightness,
                             Color,    Contrast,   Sharpness, Posterize, Solarize,   AutoContrast, Equalize};
constexpr std::array kAutoAugment{ShearX,   ShearY,    TranslateX, TranslateY, Rotate,       Brightness, Color,
                                  Contrast, Sharpness, Posterize,  Solarize,   AutoContrast, Equalize,   Invert};
constexpr std::array kAugMix{ShearX,       ShearY,   TranslateX, TranslateY, Rotate,   Posterize, Solarize,
                             AutoContrast, Equalize, Brightness, Color,      Contrast, Sharpness};

/// torch.linspace in float32, which counts from the nearer end.
double linspace(double begin, double end, int64_t bins, int64_t index) {
  const float first = static_cast<float>(begin), last = static_cast<float>(end);
  if (bins == 1) return first;
  const float step = (last - first) / static_cast<float>(bins - 1);
  return index < bins / 2 ? first + step * static_cast<float>(index) : last - step * static_cast<float>(bins - index - 1);
}

}  // namespace

const Space kRandAugmentSpace{kCommon, 0.3, 30, 0.9, 150.0 / 331.0, 0, 8, 4};
const Space kTrivialAugmentSpace{kCommon, 0.3, 30, 0.9, 0, 10, 8, 4};
const Space kTrivialAugmentWideSpace{kCommon, 0.99, 135, 0.99, 0, 32, 8, 6};
const Space kAutoAugmentSpace{kAutoAugment, 0.3, 30, 0.9, 150.0 / 331.0, 0, 8, 4};
const Space kAugMixSpace{kAugMix, 0.3, 30, 0.9, 1.0 / 3.0, 0, 4, 4};
const Space kAugMixPartialSpace{std::span(kAugMix).first(9), 0.3, 30, 0.9, 1.0 / 3.0, 0, 4, 4};

const char* choice_name(Choice choice) {
  constexpr std::array names{"identity", "shear_x",  "shear_y",   "translate_x", "translate_y", "rotate",       "brightness", "color",
                             "contrast", "sharpness", "posterize", "solarize",    "autocontrast", "equalize", "invert"};
  return names[static_cast<size_t>(choice)];
}

std::optional<double> magnitude(const Space& space, Choice choice, int64_t bins, int64_t index, int64_t height, int64_t width) {
  const auto pixels = [&](int64_t side) {
    return space.translate_share > 0 ? space.translate_share * static_cast<double>(side) : space.translate_pixels;
  };
  switch (choice) {
    case ShearX:
    case ShearY: return linspace(0, space.shear, bins, index);
    case TranslateX: return linspace(0, pixels(width), bins, index);
    case TranslateY: return linspace(0, pixels(height), bins, index);
    case Rotate: return linspace(0, space.rotate, bins, index);
    case Brightness:
    case Color:
    case Contrast:
    case Sharpness: return linspace(0, space.enhance, bins, index);
    case Posterize: {
      const double step = static_cast<double>(std::max<int64_t>(bins - 1, 1)) / space.posterize_by;
      return std::nearbyint(static_cast<float>(space.posterize_from) - static_cast<float>(index) / static_cast<float>(step));
    }
    case Solarize: return linspace(1, 0, bins, index);
    default: return std::nullopt;
  }
}

bool is_signed(Choice choice) { return choice >= ShearX && choice <= Sharpness; }

void apply_choice(Image& image, Choice choice, double magnitude, const Resampling& resampling) {
  Affine shift;
  switch (choice) {
    case Identity: return;
    case ShearX:
    case ShearY:
      (choice == ShearX ? shift.shear_x : shift.shear_y) = std::atan(magnitude) * 180 / std::numbers::pi;
      shift.about_corner = true;
      return affine(image, shift, resampling);
    case TranslateX:
    case TranslateY:
      (choice == TranslateX ? shift.translate_x : shift.translate_y) = std::trunc(magnitude);
      return affine(image, shift, resampling);
    case Rotate: return rotate(image, magnitude, resampling);
    case Brightness: return adjust_brightness(image, 1 + magnitude);
    case Color: return adjust_saturation(image, 1 + magnitude);
    case Contrast: return adjust_contrast(image, 1 + magnitude);
    case Sharpness: return adjust_sharpness(image, 1 + magnitude);
    case Posterize: return posterize(image, static_cast<int64_t>(magnitude));
    case Solarize: return solarize(image, 255 * magnitude);
    case AutoContrast: return autocontrast(image);
    case Equalize: return equalize(image);
    case Invert: return invert(image);
  }
}

void apply_choice(Image& image, const Space& space, Choice choice, int64_t bins, int64_t index, const Resampling& resampling, Rng& rng) {
  std::optional<double> value = magnitude(space, choice, bins, index, image.height(), image.width());
  if (value && is_signed(choice) && rng.chance(0.5)) *value = -*value;
  if (image.traced()) {
    std::vector<std::pair<std::string, double>> values;
    if (value) values.emplace_back("magnitude", *value);
    image.note(choice_name(choice), std::move(values));
  }
  apply_choice(image, choice, value.value_or(0), resampling);
}

}  // namespace trivium::augment
