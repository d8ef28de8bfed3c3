#include "data/exif.h"

#include <cstring>
#include <utility>

namespace trivium::data {
namespace {

constexpr size_t kMark = 6;  // "Exif\0\0", then a TIFF file

struct Reader {
  const uint8_t* bytes;
  size_t length;
  bool big;

  bool holds(size_t at, size_t count) const { return at <= length && count <= length - at; }
  uint32_t u16(size_t at) const { return big ? bytes[at] << 8 | bytes[at + 1] : bytes[at + 1] << 8 | bytes[at]; }
  uint32_t u32(size_t at) const { return big ? u16(at) << 16 | u16(at + 2) : u16(at + 2) << 16 | u16(at); }
};

}  // namespace

bool is_exif(const uint8_t* segment, size_t length) { return length >= kMark && std::memcmp(segment, "Exif\0\0", kMark) == 0; }

std::optional<int> exif_orientation(const uint8_t* segment, size_t length) {
  if (!is_exif(segment, length)) return std::nullopt;
  Reader tiff{segment + kMark, length - kMark, false};
  if (!tiff.holds(0, 8)) return std::nullopt;
  if (std::memcmp(tiff.bytes, "MM", 2) == 0) tiff.big = true;
  else if (std::memcmp(tiff.bytes, "II", 2) != 0) return std::nullopt;
  if (tiff.u16(2) != 42) return std::nullopt;
  const size_t directory = tiff.u32(4);
  if (!tiff.holds(directory, 2)) return std::nullopt;
  const size_t entries = tiff.u16(directory);
  if (!tiff.holds(directory + 2, entries * 12)) return std::nullopt;
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + i * 12;
    if (tiff.u16(at) != 0x0112) continue;
    const uint32_t kind = tiff.u16(at + 2), count = tiff.u32(at + 4), value = tiff.u16(at + 8);
    if (kind != 3 || count != 1 || value < 1 || value > 8) return std::nullopt;
    return static_cast<int>(value);
  }
  return 1;
}

Picture turned(const Picture& picture, int orientation) {
  if (orientation <= 1) return picture;
  const int64_t height = picture.height, width = picture.width;
  const bool across = orientation >= 5;  // rows become columns
  Picture out{std::vector<uint8_t>(static_cast<size_t>(height * width * 3)), across ? width : height, across ? height : width};
  // Row and column of the source for each place of the result, as steps: source = start + y·down + x·right (in pixels).
  int64_t start = 0, down = 0, right = 0;
  switch (orientation) {
    case 2: start = width - 1, down = width, right = -1; break;
    case 3: start = height * width - 1, down = -width, right = -1; break;
    case 4: start = (height - 1) * width, down = -width, right = 1; break;
    case 5: start = 0, down = 1, right = width; break;
    case 6: start = (height - 1) * width, down = 1, right = -width; break;
    case 7: start = height * width - 1, down = -1, right = -width; break;
    default: start = width - 1, down = -1, right = width; break;
  }
  uint8_t* target = out.pixels.data();
  for (int64_t y = 0; y < out.height; ++y) {
    for (int64_t x = 0; x < out.width; ++x, target += 3) {
      std::memcpy(target, picture.pixels.data() + (start + y * down + x * right) * 3, 3);
    }
  }
  return out;
}

}  // namespace trivium::data
