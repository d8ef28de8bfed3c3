// One image while it travels through a plan: uint8, height × width × 3, row-major.
//
// Nothing is done to the pixels before someone asks for them: the image that a batch lends is read in place, and operations that map
// levels to levels leave a table, which the next one is composed into.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "augment/kernels/lookup.h"
#include "core/rng.h"

namespace trivium::augment {

/// A box of the normalised result that is overwritten: the last thing that happens to an image.
struct Erasure {
  int64_t top, left, height, width;
  std::array<float, 3> value{0, 0, 0};  // of the normalised result
  bool per_pixel = false;               // instead of `value`: standard normal, drawn for every value
  RngKey key;                           // of those draws
};

/// What an operation did to one image, for people: "rotate", {{"degrees", 12.5}}.
struct Draw {
  std::string operation;
  std::vector<std::pair<std::string, double>> values;
};

class Image {
 public:
  /// Starts over with pixels that outlive the journey and are never written to.
  void lend(const uint8_t* pixels, int64_t height, int64_t width);

  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  int64_t count() const { return height_ * width_; }

  /// The pixels, for reading. Buffers of the image, and results, have room for kSlack bytes behind the last pixel.
  const uint8_t* pixels();
  /// The same in a buffer that may be written to.
  uint8_t* own();

  /// Room for a result of that size; `accept` makes it the image. Neither reads nor changes the image before that.
  uint8_t* result(int64_t height, int64_t width);
  void accept(int64_t height, int64_t width);

  /// Every level becomes its table's entry.
  void map(const Tables& tables);

  /// Records a draw when someone listens.
  void note(const char* operation, std::vector<std::pair<std::string, double>> values = {}) {
    if (draws) draws->push_back({operation, std::move(values)});
  }
  bool traced() const { return draws != nullptr; }

  std::vector<Erasure> erasures;
  std::vector<Draw>* draws = nullptr;
  std::vector<int16_t> sums;    // scratch for operations
  std::vector<float> mixture;   // scratch for operations

  static constexpr int64_t kSlack = 16;

 private:
  int64_t height_ = 0, width_ = 0;
  const uint8_t* current_ = nullptr;  // lent pixels, or the data of buffers_[owned_]
  int owned_ = -1;                    // which buffer holds the image; −1: neither
  bool mapped_ = false;
  Tables tables_;
  std::vector<uint8_t> buffers_[2];
};

}  // namespace trivium::augment
