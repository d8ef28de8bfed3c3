// Affine transformations as torchvision v2 defines them on tensors.
#include <cmath>
#include <numbers>

#include "augment/transform.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

constexpr double kRadians = std::numbers::pi / 180;

void warp(Image& image, const InverseMatrix& matrix, const Resampling& resampling) {
  const uint8_t* source = image.own();  // with slack behind it, which the kernels need
  uint8_t* target = image.result(image.height(), image.width());
  (resampling.bilinear ? warp_bilinear : warp_nearest)(source, target, image.height(), image.width(), matrix, resampling.fill);
  image.accept(image.height(), image.width());
}

/// torchvision's _get_inverse_affine_matrix: C · (R · S · Shear)⁻¹ · C⁻¹ · T⁻¹.
InverseMatrix inverse_matrix(const Affine& affine, double center_x, double center_y) {
  const double angle = affine.degrees * kRadians, shear_x = affine.shear_x * kRadians, shear_y = affine.shear_y * kRadians;
  const double tan_x = std::tan(shear_x), cos_y = std::cos(shear_y);
  const double a = std::cos(angle - shear_y) / cos_y, b = -(a * tan_x + std::sin(angle));
  const double c = std::sin(angle - shear_y) / cos_y, d = std::cos(angle) - c * tan_x;
  InverseMatrix m{d / affine.scale, -b / affine.scale, 0, -c / affine.scale, a / affine.scale, 0};
  const double x = center_x + affine.translate_x, y = center_y + affine.translate_y;
  m[2] = center_x - m[0] * x - m[1] * y;
  m[5] = center_y - m[3] * x - m[4] * y;
  for (double& value : m) value = value == 0 ? 0 : value;  // no −0
  return m;
}

/// Quarter and half turns of a square are exact, whatever the interpolation.
bool turn_exactly(Image& image, double degrees) {
  const double turn = degrees - 360 * std::floor(degrees / 360);
  const bool square = image.height() == image.width();
  if (turn == 0) return true;
  if (turn != 180 && !(square && (turn == 90 || turn == 270))) return false;
  const int64_t height = image.height(), width = image.width();
  const uint8_t* source = image.pixels();
  uint8_t* target = image.result(height, width);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t row = turn == 180 ? height - 1 - y : turn == 90 ? x : width - 1 - x;
      const int64_t column = turn == 180 ? width - 1 - x : turn == 90 ? height - 1 - y : y;
      for (int64_t c = 0; c < 3; ++c) target[(y * width + x) * 3 + c] = source[(row * width + column) * 3 + c];
    }
  }
  image.accept(height, width);
  return true;
}

}  // namespace

void rotate(Image& image, double degrees, const Resampling& resampling) {
  if (turn_exactly(image, degrees)) return;
  Affine turn;
  turn.degrees = -degrees;
  warp(image, inverse_matrix(turn, 0, 0), resampling);
}

void affine(Image& image, const Affine& affine, const Resampling& resampling) {
  const double x = affine.about_corner ? -0.5 * static_cast<double>(image.width()) : 0;
  const double y = affine.about_corner ? -0.5 * static_cast<double>(image.height()) : 0;
  warp(image, inverse_matrix(affine, x, y), resampling);
}

Resampling resampling_options(const Options& options, const std::string& interpolation) {
  Resampling result;
  const std::string name = options.string("interpolation", interpolation);
  if (name != "nearest" && name != "bilinear") {
    throw error(ErrorKind::Config, options.owner(), ": expected interpolation \"nearest\" or \"bilinear\" but got \"", name, "\"");
  }
  result.bilinear = name == "bilinear";
  const std::vector<double> levels = options.numbers("fill", {});
  if (levels.empty()) return result;
  if (levels.size() != 3) throw error(ErrorKind::Config, options.owner(), ": expected fill to be 3 levels but got ", levels.size());
  result.fill.given = true;
  for (size_t c = 0; c < 3; ++c) {
    if (!(levels[c] >= 0 && levels[c] <= 255)) {
      throw error(ErrorKind::Config, options.owner(), ": expected fill from 0 to 255 but got ", levels[c]);
    }
    result.fill.level[c] = static_cast<float>(levels[c]);
  }
  return result;
}

}  // namespace trivium::augment
