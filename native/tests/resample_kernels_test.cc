// Both passes of the resampling on random weights: the loops for any processor and those for wide registers against plain sums.
#include "augment/kernels/resample.h"
#include "augment/kernels/resample_wide.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace augment = trivium::augment;

static uint32_t state = 7;
static int64_t random_below(int64_t bound) {
  state = state * 1664525u + 1013904223u;
  return static_cast<int64_t>((static_cast<uint64_t>(state) * static_cast<uint64_t>(bound)) >> 32);
}

struct Case {
  int64_t in, out, taps;  // values along the axis; most taps of an output
  std::vector<int64_t> first, count;
  std::vector<int32_t> weights;
  augment::Weights view() const { return {first.data(), count.data(), weights.data(), taps}; }
};

/// Windows that move from one end to the other; weights that add up to about one, some of them negative as bicubic's are.
static Case make_case(int64_t in, int64_t out, int64_t taps) {
  Case c{in, out, std::min(taps, in), {}, {}, {}};
  c.first.resize(out);
  c.count.resize(out);
  c.weights.assign(out * c.taps, 0);
  for (int64_t x = 0; x < out; ++x) {
    c.first[x] = out == 1 ? 0 : x * (in - c.taps) / (out - 1);
    c.count[x] = std::max<int64_t>(1, c.taps - random_below(2));
    if (x > 0) c.count[x] = std::max(c.count[x], c.first[x - 1] + c.count[x - 1] - c.first[x]);  // no end moves back
    int32_t left = 1 << augment::kPrecisionBits;
    for (int64_t t = 0; t + 1 < c.count[x]; ++t) {
      const int32_t weight = static_cast<int32_t>(random_below(left / 2 + 600000) - 300000);
      c.weights[x * c.taps + t] = weight;
      left -= weight;
    }
    c.weights[x * c.taps + c.count[x] - 1] = left;
  }
  return c;
}

static uint8_t rounded(int64_t sum) {
  const int64_t level = (sum + (1 << (augment::kPrecisionBits - 1))) >> augment::kPrecisionBits;
  return static_cast<uint8_t>(std::clamp<int64_t>(level, 0, 255));
}

static int failures = 0;
static void compare(const char* what, const Case& c, const std::vector<uint8_t>& expected, const std::vector<uint8_t>& got) {
  if (expected == got) return;
  std::fprintf(stderr, "%s: another result for %ld → %ld with %ld taps\n", what, static_cast<long>(c.in), static_cast<long>(c.out),
               static_cast<long>(c.taps));
  ++failures;
}

static void across(const Case& c, int64_t rows) {
  // The source ends with its last pixel and the target has a guard behind each row.
  const int64_t stride = c.in * 3, target_stride = c.out * 3 + 5;
  std::vector<uint8_t> source(rows * stride), expected(rows * target_stride, 77);
  for (uint8_t& value : source) value = static_cast<uint8_t>(random_below(256));
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t x = 0; x < c.out * 3; ++x) {
      int64_t sum = 0;
      for (int64_t t = 0; t < c.count[x / 3]; ++t) {
        sum += static_cast<int64_t>(source[y * stride + (c.first[x / 3] + t) * 3 + x % 3]) * c.weights[x / 3 * c.taps + t];
      }
      expected[y * target_stride + x] = rounded(sum);
    }
  }
  std::vector<uint8_t> got(expected.size(), 77);
  augment::resample_across_plainly(source.data(), rows, stride, c.view(), c.out, got.data(), target_stride);
  compare("across, plainly", c, expected, got);
  got.assign(expected.size(), 77);
  augment::Across chosen;
  chosen.prepare(c.view(), c.out);
  chosen.run(source.data(), rows, stride, got.data(), target_stride);
  compare("across", c, expected, got);
}

static void down(const Case& c, int64_t values) {
  std::vector<uint8_t> source(c.in * values), expected(c.out * values);
  for (uint8_t& value : source) value = static_cast<uint8_t>(random_below(256));
  for (int64_t y = 0; y < c.out; ++y) {
    for (int64_t i = 0; i < values; ++i) {
      int64_t sum = 0;
      for (int64_t t = 0; t < c.count[y]; ++t) sum += static_cast<int64_t>(source[(c.first[y] + t) * values + i]) * c.weights[y * c.taps + t];
      expected[y * values + i] = rounded(sum);
    }
  }
  std::vector<uint8_t> got(expected.size());
  augment::resample_down_plainly(source.data(), values, values, c.view(), c.out, got.data());
  compare("down, plainly", c, expected, got);
  std::fill(got.begin(), got.end(), 0);
  augment::resample_down(source.data(), values, values, c.view(), c.out, got.data());
  compare("down", c, expected, got);
}

int main() {
  // Enlarging, about the same size, shrinking 1.5, 3, 6, 20 and 100 times; one pixel; more taps than fit one instruction or eight.
  const int64_t sizes[][3] = {{5, 40, 2}, {31, 29, 3},   {75, 51, 4},  {90, 30, 7},   {200, 33, 13}, {400, 20, 41},
                              {900, 9, 201}, {1, 1, 1},  {1, 50, 1},   {3, 1, 3},     {2, 7, 2},     {331, 224, 5},
                              {48, 16, 6},   {64, 64, 4}, {60, 17, 35}, {700, 100, 15}};
  for (const auto& size : sizes) {
    for (const int64_t other : {1, 2, 3, 4, 5, 8, 11, 21, 22, 63, 64, 65, 130}) {
      const Case c = make_case(size[0], size[1], size[2]);
      if (other < 12) across(c, other);
      down(c, other);
    }
  }
  std::printf("resample_kernels: %s%s\n", failures == 0 ? "ok" : "failed",
              augment::has_wide_resample() ? "" : " (without wide registers: plain loops only)");
  return failures == 0 ? 0 : 1;
}
