#include "augment/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "augment/kernels/resample.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

double bilinear_filter(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double bicubic_filter(double x) {  // Keys 1981 with a = −0.5
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
  return 0.0;
}

struct Filter {
  double (*value)(double);
  double support;
};

Filter filter_named(const std::string& name) {
  if (name == "bilinear") return {bilinear_filter, 1.0};
  if (name == "bicubic") return {bicubic_filter, 2.0};
  throw error(ErrorKind::Config, "resize: expected interpolation \"bilinear\" or \"bicubic\" but got \"", name, "\"");
}

/// For each output position of a window: the first input position, how many, and their fixed-point weights.
struct Coefficients {
  int64_t taps = 0;  // row length of `weights`
  std::vector<int64_t> first, count;
  std::vector<int32_t> weights;

  Weights view() const { return {first.data(), count.data(), weights.data(), taps}; }
};

/// One axis: outputs [begin, begin + length) of in_size resampled to out_size.
void precompute(int64_t in_size, int64_t out_size, int64_t begin, int64_t length, const Filter& filter, Coefficients& result) {
  const double scale = static_cast<double>(in_size) / static_cast<double>(out_size);
  const double filter_scale = std::max(scale, 1.0);  // antialiasing: the filter widens when shrinking
  const double support = filter.support * filter_scale;
  result.taps = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  result.first.resize(length);
  result.count.resize(length);
  result.weights.assign(length * result.taps, 0);
  thread_local std::vector<double> row;
  row.resize(result.taps);
  const double inverse = 1.0 / filter_scale;
  for (int64_t at = 0; at < length; ++at) {
    const double center = (static_cast<double>(begin + at) + 0.5) * scale;
    // Truncation after adding 0.5, not floor: part of what must equal Pillow.
    const int64_t low = std::max<int64_t>(static_cast<int64_t>(center - support + 0.5), 0);
    const int64_t high = std::min<int64_t>(static_cast<int64_t>(center + support + 0.5), in_size);
    const int64_t count = high - low;
    double total = 0.0;
    for (int64_t i = 0; i < count; ++i) {
      row[i] = filter.value((static_cast<double>(i + low) - center + 0.5) * inverse);
      total += row[i];
    }
    for (int64_t i = 0; i < count; ++i) {
      const double weight = total != 0.0 ? row[i] / total : row[i];
      result.weights[at * result.taps + i] = static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
    }
    result.first[at] = low;
    result.count[at] = count;
  }
}

struct Window {
  int64_t top, left, height, width;
};

/// Input positions [begin, begin + length) that an axis reads; makes c.first count from `begin`.
std::pair<int64_t, int64_t> claim(Coefficients& c) {
  const int64_t begin = c.first.front(), length = c.first.back() + c.count.back() - begin;
  for (int64_t& first : c.first) first -= begin;
  return {begin, length};
}

/// The `window` of the picture resampled to out_height × out_width; what lies outside the window is never computed, so that a
/// picture of extreme aspect costs no more than another. `target`: window.height × window.width × 3.
void resize_window(const uint8_t* pixels, int64_t stride, int64_t height, int64_t width, int64_t out_height, int64_t out_width,
                   const Window& window, const Filter& filter, uint8_t* target) {
  thread_local Coefficients down, across;
  precompute(height, out_height, window.top, window.height, filter, down);
  precompute(width, out_width, window.left, window.width, filter, across);
  const auto [top, rows] = claim(down);
  const auto [left, columns] = claim(across);
  const uint8_t* source = pixels + top * stride + left * 3;
  thread_local Across pass;
  pass.prepare(across.view(), window.width);
  thread_local std::vector<uint8_t> between;
  // The order matters, for the pass between rounds to 8 bits. Pillow 13 starts with the columns where that shrinks the picture
  // more (a tall picture of aspect over 2); older ones always start with the rows, which differs by one level there.
  if (out_height < height && height - out_height > 2 * (width - out_width)) {
    between.resize(std::max(between.size(), static_cast<size_t>(window.height * columns * 3)));
    resample_down(source, columns * 3, stride, down.view(), window.height, between.data());
    pass.run(between.data(), window.height, columns * 3, target, window.width * 3);
  } else {
    between.resize(std::max(between.size(), static_cast<size_t>(rows * window.width * 3)));
    pass.run(source, rows, stride, between.data(), window.width * 3);
    resample_down(between.data(), window.width * 3, window.width * 3, down.view(), window.height, target);
  }
}

void check(const char* what, int64_t height, int64_t width, int64_t out_height, int64_t out_width) {
  // Below 2^31 a side and 2^13 for the result, every size and offset here fits 64 bits.
  constexpr int64_t kLargestIn = (int64_t{1} << 31) - 1, kLargestOut = 1 << 13;
  if (height < 1 || width < 1 || height > kLargestIn || width > kLargestIn) {
    throw error(ErrorKind::Shape, what, ": expected an image of at least 1×1 but got ", height, "×", width);
  }
  if (out_height < 1 || out_width < 1 || out_height > kLargestOut || out_width > kLargestOut) {
    throw error(ErrorKind::Shape, what, ": expected a result of 1 to ", kLargestOut, " pixels a side but got ", out_height, "×", out_width);
  }
}

}  // namespace

void resize_into(const uint8_t* pixels, int64_t stride, int64_t height, int64_t width, int64_t out_height, int64_t out_width,
                 const std::string& interpolation, uint8_t* target) {
  check("resize", height, width, out_height, out_width);
  const Filter filter = filter_named(interpolation);
  if (out_height == height && out_width == width) {
    for (int64_t y = 0; y < height; ++y) std::memcpy(target + y * width * 3, pixels + y * stride, width * 3);
    return;
  }
  resize_window(pixels, stride, height, width, out_height, out_width, {0, 0, out_height, out_width}, filter, target);
}

std::vector<uint8_t> resize(const uint8_t* pixels, int64_t height, int64_t width, int64_t out_height, int64_t out_width,
                            const std::string& interpolation) {
  check("resize", height, width, out_height, out_width);
  std::vector<uint8_t> out(out_height * out_width * 3);
  resize_into(pixels, width * 3, height, width, out_height, out_width, interpolation, out.data());
  return out;
}

std::vector<uint8_t> crop(const uint8_t* pixels, int64_t width, int64_t top, int64_t left, int64_t crop_height, int64_t crop_width) {
  std::vector<uint8_t> out(crop_height * crop_width * 3);
  for (int64_t y = 0; y < crop_height; ++y) {
    std::memcpy(out.data() + y * crop_width * 3, pixels + ((top + y) * width + left) * 3, crop_width * 3);
  }
  return out;
}

int64_t center_offset(int64_t size, int64_t crop_size) {
  // Python's round(): halves go to the even neighbour, which is what nearbyint does in the default rounding mode.
  return static_cast<int64_t>(std::nearbyint(static_cast<double>(size - crop_size) / 2.0));
}

Size resized_size(int64_t height, int64_t width, int64_t resize_to) {
  const int64_t long_side = resize_to * std::max(height, width) / std::min(height, width);
  return height <= width ? Size{resize_to, long_side} : Size{long_side, resize_to};
}

void resize_and_center_crop_into(const uint8_t* pixels, int64_t height, int64_t width, int64_t resize_to, Size crop,
                                 const std::string& interpolation, uint8_t* target) {
  check("resize_and_center_crop", height, width, resize_to, resize_to);
  const Filter filter = filter_named(interpolation);
  const Size out = resized_size(height, width, resize_to);
  if (crop.height < 1 || crop.width < 1 || crop.height > out.height || crop.width > out.width) {
    throw error(ErrorKind::Shape, "resize_and_center_crop: expected a crop from 1 to resize_to = ", resize_to, " but got ", crop.height,
                "×", crop.width, " of ", out.height, "×", out.width);
  }
  const Window window{center_offset(out.height, crop.height), center_offset(out.width, crop.width), crop.height, crop.width};
  if (out.height == height && out.width == width) {
    for (int64_t y = 0; y < crop.height; ++y) {
      std::memcpy(target + y * crop.width * 3, pixels + ((window.top + y) * width + window.left) * 3, crop.width * 3);
    }
    return;
  }
  resize_window(pixels, width * 3, height, width, out.height, out.width, window, filter, target);
}

std::vector<uint8_t> resize_and_center_crop(const uint8_t* pixels, int64_t height, int64_t width, int64_t resize_to, int64_t crop_to,
                                            const std::string& interpolation) {
  if (crop_to < 1 || crop_to > resize_to) {
    throw error(ErrorKind::Shape, "resize_and_center_crop: expected a crop from 1 to resize_to = ", resize_to, " but got ", crop_to);
  }
  check("resize_and_center_crop", height, width, resize_to, crop_to);
  std::vector<uint8_t> out(crop_to * crop_to * 3);
  resize_and_center_crop_into(pixels, height, width, resize_to, {crop_to, crop_to}, interpolation, out.data());
  return out;
}

}  // namespace trivium::augment
