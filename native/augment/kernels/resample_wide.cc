#include "augment/kernels/resample_wide.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
// GCC 12 takes the undefined value that its own headers begin with for a mistake of ours (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#define TRIVIUM_WIDE __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")))
#define TRIVIUM_WIDE_INLINE inline __attribute__((always_inline, target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")))
#endif

namespace trivium::augment {

#ifdef TRIVIUM_WIDE
namespace {

/// Up to four weights as digits to base 256 from −128 to 127: word d holds the d-th digit (the lowest first) of each.
struct Digits {
  uint32_t word[3];
};

inline Digits digits_of(const int32_t* weights, int64_t count) {
  Digits digits{};
  for (int64_t t = 0; t < std::min<int64_t>(4, count); ++t) {
    // With 128 added to each digit they are plain bytes; taking it away again flips the top bit.
    const uint32_t bytes = (static_cast<uint32_t>(weights[t]) + 0x808080) ^ 0x808080;
    for (int d = 0; d < 3; ++d) digits.word[d] |= ((bytes >> (8 * d)) & 255) << (8 * t);
  }
  return digits;
}

TRIVIUM_WIDE_INLINE __m512i rounded() { return _mm512_set1_epi32(1 << (kPrecisionBits - 1 - 16)); }  // one half, above two digits

/// The pixel values that three sums of products with digits give, not yet clipped.
TRIVIUM_WIDE_INLINE __m512i levels(__m512i high, __m512i middle, __m512i low) {
  const __m512i upper = _mm512_add_epi32(_mm512_slli_epi32(high, 8), middle);
  return _mm512_srai_epi32(_mm512_add_epi32(_mm512_slli_epi32(upper, 8), low), kPrecisionBits);
}

inline uint64_t first_bytes(int64_t count) {
  return count <= 0 ? 0 : count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
}

/// kRows rows of one block, its taps in `groups` consecutive entries. @param kTwo 128 bytes of the row are looked at
template <int kRows, bool kTwo, typename Block>
TRIVIUM_WIDE_INLINE void block_across(const uint8_t* source, int64_t stride, const Block* block, int64_t groups, __mmask16 some,
                                      uint8_t* target, int64_t target_stride) {
  __m512i high[kRows], middle[kRows], low[kRows];
  for (int row = 0; row < kRows; ++row) {
    high[row] = rounded();
    middle[row] = low[row] = _mm512_setzero_si512();
  }
  for (const Block* end = block + groups; block < end; ++block) {
    const __m512i place = _mm512_load_si512(block->place);
    const __m512i digit0 = _mm512_load_si512(block->digits[0]), digit1 = _mm512_load_si512(block->digits[1]);
    const __m512i digit2 = _mm512_load_si512(block->digits[2]);
    for (int row = 0; row < kRows; ++row) {
      const uint8_t* from = source + row * stride + block->offset;
      __m512i taps = _mm512_maskz_loadu_epi8(block->here, from);
      if (kTwo) {
        taps = _mm512_permutex2var_epi8(taps, place, _mm512_maskz_loadu_epi8(block->behind, from + 64));
      } else {
        taps = _mm512_permutexvar_epi8(place, taps);
      }
      high[row] = _mm512_dpbusd_epi32(high[row], taps, digit2);
      middle[row] = _mm512_dpbusd_epi32(middle[row], taps, digit1);
      low[row] = _mm512_dpbusd_epi32(low[row], taps, digit0);
    }
  }
  for (int row = 0; row < kRows; ++row) {
    const __m512i value = _mm512_max_epi32(levels(high[row], middle[row], low[row]), _mm512_setzero_si512());
    _mm_mask_storeu_epi8(target + row * target_stride, some, _mm512_cvtusepi32_epi8(value));
  }
}

template <int kRows, bool kTwo, typename Block>
TRIVIUM_WIDE void rows_across(const uint8_t* source, int64_t stride, const Block* blocks, int64_t groups, int64_t bytes, uint8_t* target,
                              int64_t target_stride) {
  for (int64_t at = 0; at < bytes; at += 16, blocks += groups) {
    const __mmask16 some = static_cast<__mmask16>(first_bytes(bytes - at));
    block_across<kRows, kTwo>(source, stride, blocks, groups, some, target + at, target_stride);
  }
}

/// 64 bytes of four rows as four registers of sixteen bytes' four taps each; packing in the same order undoes it.
struct Taps {
  __m512i quarter[4];
};

TRIVIUM_WIDE_INLINE Taps taps_of(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab0 = _mm512_unpacklo_epi8(a, b), ab1 = _mm512_unpackhi_epi8(a, b);
  const __m512i cd0 = _mm512_unpacklo_epi8(c, d), cd1 = _mm512_unpackhi_epi8(c, d);
  return {{_mm512_unpacklo_epi16(ab0, cd0), _mm512_unpackhi_epi16(ab0, cd0), _mm512_unpacklo_epi16(ab1, cd1),
           _mm512_unpackhi_epi16(ab1, cd1)}};
}

/// One output row: `count` rows of `values` bytes under `weights`.
TRIVIUM_WIDE void row_down(const uint8_t* source, int64_t stride, const int32_t* weights, int64_t count, int64_t values, uint8_t* target) {
  const int64_t groups = (count + 3) / 4;
  const Digits first = digits_of(weights, count);
  for (int64_t at = 0; at < values; at += 64) {
    const __mmask64 some = first_bytes(values - at);
    __m512i high[4], middle[4], low[4];
    for (int i = 0; i < 4; ++i) {
      high[i] = rounded();
      middle[i] = low[i] = _mm512_setzero_si512();
    }
    for (int64_t g = 0; g < groups; ++g) {
      __m512i row[4];
      for (int64_t t = 0; t < 4; ++t) {
        row[t] = 4 * g + t < count ? _mm512_maskz_loadu_epi8(some, source + (4 * g + t) * stride + at) : _mm512_setzero_si512();
      }
      const Taps taps = taps_of(row[0], row[1], row[2], row[3]);
      const Digits digits = g == 0 ? first : digits_of(weights + 4 * g, count - 4 * g);
      __m512i digit[3];
      for (int d = 0; d < 3; ++d) digit[d] = _mm512_set1_epi32(static_cast<int32_t>(digits.word[d]));
      for (int i = 0; i < 4; ++i) {
        high[i] = _mm512_dpbusd_epi32(high[i], taps.quarter[i], digit[2]);
        middle[i] = _mm512_dpbusd_epi32(middle[i], taps.quarter[i], digit[1]);
        low[i] = _mm512_dpbusd_epi32(low[i], taps.quarter[i], digit[0]);
      }
    }
    __m512i value[4];
    for (int i = 0; i < 4; ++i) value[i] = levels(high[i], middle[i], low[i]);
    // Both packings saturate, which is the clipping to 0 … 255.
    const __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(value[0], value[1]), _mm512_packs_epi32(value[2], value[3]));
    _mm512_mask_storeu_epi8(target + at, some, bytes);
  }
}

}  // namespace

bool has_wide_resample() {
  static const bool has = __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return has;
}

bool WideAcross::prepare(const Weights& weights, int64_t width) {
  bytes_ = width * 3;
  const int64_t taps = *std::max_element(weights.count, weights.count + width);
  const int64_t end = (weights.first[width - 1] + weights.count[width - 1]) * 3;
  groups_ = (taps + 3) / 4;
  blocks_.resize(static_cast<size_t>((bytes_ + 15) / 16 * groups_));
  int64_t furthest = 0;
  for (int64_t x = 0; x < width; ++x) {
    for (int64_t g = 0; g < groups_; ++g) {
      const int64_t count = weights.count[x] - 4 * g;
      const Digits digits = digits_of(weights.values + x * weights.taps + 4 * g, count);
      for (int64_t channel = 0; channel < 3; ++channel) {
        const int64_t at = x * 3 + channel, lane = at % 16;
        Block& block = blocks_[static_cast<size_t>(at / 16 * groups_ + g)];
        if (lane == 0) {
          block = Block{};
          block.offset = (weights.first[x] + 4 * g) * 3;
          block.here = first_bytes(end - block.offset);
          block.behind = first_bytes(end - block.offset - 64);
        }
        const int64_t place = (weights.first[x] + 4 * g) * 3 + channel - block.offset;
        if (place < 0) return false;
        if (count > 0) furthest = std::max(furthest, place + 3 * (std::min<int64_t>(4, count) - 1));
        // A tap of weight 0 may look anywhere.
        const uint32_t places = static_cast<uint32_t>(place & 127) * 0x01010101u + 0x09060300u;
        std::memcpy(block.place + lane * 4, &places, 4);
        for (int d = 0; d < 3; ++d) std::memcpy(block.digits[d] + lane * 4, &digits.word[d], 4);
      }
    }
  }
  two_ = furthest > 63;
  return furthest < 128;
}

void WideAcross::run(const uint8_t* source, int64_t rows, int64_t stride, uint8_t* target, int64_t target_stride) const {
  const auto some = [&](auto four, auto one) {
    int64_t y = 0;
    for (; y + 4 <= rows; y += 4) four(source + y * stride, stride, blocks_.data(), groups_, bytes_, target + y * target_stride, target_stride);
    for (; y < rows; ++y) one(source + y * stride, stride, blocks_.data(), groups_, bytes_, target + y * target_stride, target_stride);
  };
  if (two_) {
    some(rows_across<4, true, Block>, rows_across<1, true, Block>);
  } else {
    some(rows_across<4, false, Block>, rows_across<1, false, Block>);
  }
}

void resample_down_wide(const uint8_t* source, int64_t values, int64_t stride, const Weights& weights, int64_t height, uint8_t* target) {
  for (int64_t y = 0; y < height; ++y) {
    row_down(source + weights.first[y] * stride, stride, weights.values + y * weights.taps, weights.count[y], values, target + y * values);
  }
}

#else

bool has_wide_resample() { return false; }
bool WideAcross::prepare(const Weights&, int64_t) { return false; }
void WideAcross::run(const uint8_t*, int64_t, int64_t, uint8_t*, int64_t) const {}
void resample_down_wide(const uint8_t*, int64_t, int64_t, const Weights&, int64_t, uint8_t*) {}

#endif

}  // namespace trivium::augment
