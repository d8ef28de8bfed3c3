// Transformations that map levels to levels: each makes a table, which is composed with the ones before it.
#include <algorithm>

#include "augment/kernels/colour.h"
#include "augment/transform.h"
#include "core/error.h"

namespace trivium::augment {
namespace {

uint8_t truncated(float value) { return static_cast<uint8_t>(std::clamp(value, 0.0f, 255.0f)); }

template <typename Level>
Tables table(const Level& level) {
  Tables tables;
  for (int i = 0; i < 256; ++i) tables.channel[0][static_cast<size_t>(i)] = level(i);
  return tables;
}

}  // namespace

void adjust_brightness(Image& image, double factor) {
  const float scale = static_cast<float>(factor);
  image.map(table([scale](int level) { return truncated(static_cast<float>(level) * scale); }));
}

/// Blend with the mean of the (truncated) luma.
void adjust_contrast(Image& image, double factor) {
  const double mean = static_cast<double>(luma_sum(image.pixels(), image.count())) / static_cast<double>(image.count());
  const float scale = static_cast<float>(factor);
  const float rest = static_cast<float>(mean) * static_cast<float>(1.0 - factor);
  image.map(table([scale, rest](int level) { return truncated(static_cast<float>(level) * scale + rest); }));
}

void posterize(Image& image, int64_t bits) {
  if (bits >= 8) return;
  const int mask = ((1 << bits) - 1) << (8 - bits);
  image.map(table([mask](int level) { return static_cast<uint8_t>(level & mask); }));
}

void solarize(Image& image, double threshold) {
  const float from = static_cast<float>(threshold);
  image.map(table([from](int level) { return static_cast<uint8_t>(static_cast<float>(level) >= from ? 255 - level : level); }));
}

void invert(Image& image) {
  image.map(table([](int level) { return static_cast<uint8_t>(255 - level); }));
}

/// Each channel stretched to 0 … 255; one of a single level stays.
void autocontrast(Image& image) {
  const ChannelRange range = channel_range(image.pixels(), image.count());
  Tables tables;
  tables.shared = false;
  for (size_t c = 0; c < 3; ++c) {
    const bool flat = range.low[c] == range.high[c];
    const float low = flat ? 0.0f : static_cast<float>(range.low[c]);
    const float step = flat ? 1.0f : static_cast<float>(range.high[c] - range.low[c]) * (1.0f / 255.0f);
    for (size_t level = 0; level < 256; ++level) tables.channel[c][level] = truncated((static_cast<float>(level) - low) / step);
  }
  image.map(tables);
}

/// PIL's equalisation, which torchvision repeats: table[k] = (levels below k + step / 2) / step, where step is a 255th of the pixels
/// that are not of the highest level present.
void equalize(Image& image) {
  Histogram levels;
  histogram(image.pixels(), image.count(), levels);
  Tables tables;
  tables.shared = false;
  for (size_t c = 0; c < 3; ++c) {
    const auto& counts = levels[c];
    size_t highest = 255;
    while (highest > 0 && counts[highest] == 0) --highest;
    const int64_t step = (image.count() - counts[highest]) / 255;
    int64_t below = 0;
    for (size_t level = 0; level < 256; ++level) {
      const int64_t equalised = step == 0 ? static_cast<int64_t>(level) : level == 0 ? 0 : (below + step / 2) / step;
      tables.channel[c][level] = static_cast<uint8_t>(std::min<int64_t>(equalised, 255));
      below += counts[level];
    }
  }
  image.map(tables);
}

}  // namespace trivium::augment
