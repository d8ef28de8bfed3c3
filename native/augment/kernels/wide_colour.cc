#include "augment/kernels/wide_colour.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include <array>
#include <cstring>

#define TRIVIUM_WIDE __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni")))
#define TRIVIUM_WIDE_INLINE TRIVIUM_WIDE inline __attribute__((always_inline))

namespace trivium::augment {
namespace {

constexpr int64_t kWide = 64;  // pixels of a block
constexpr __mmask64 kEveryThird = 0x9249249249249249;  // bits 0, 3, …, 63

struct alignas(64) Bytes64 {
  std::array<uint8_t, 64> byte;
};

/// Where a channel's 64 levels lie among 192 bytes.
constexpr Bytes64 split_indices(int channel) {
  Bytes64 result{};
  for (int i = 0; i < 64; ++i) result.byte[static_cast<size_t>(i)] = static_cast<uint8_t>(3 * i + channel);
  return result;
}

/// Which pixel each byte of one of three vectors belongs to, plus 64 for green.
constexpr Bytes64 join_indices(int vector) {
  Bytes64 result{};
  for (int i = 0; i < 64; ++i) {
    const int value = 64 * vector + i;
    result.byte[static_cast<size_t>(i)] = static_cast<uint8_t>(value / 3 + (value % 3 == 1 ? 64 : 0));
  }
  return result;
}

constexpr Bytes64 kSplit[3] = {split_indices(0), split_indices(1), split_indices(2)};
constexpr Bytes64 kJoin[3] = {join_indices(0), join_indices(1), join_indices(2)};
constexpr __mmask64 kInThird[3] = {~__mmask64{0} << 43, ~__mmask64{0} << 43, ~__mmask64{0} << 42};  // 3 i + channel ≥ 128
constexpr __mmask64 kBlue[3] = {kEveryThird << 2, kEveryThird << 1, kEveryThird};

TRIVIUM_WIDE_INLINE __m512i load(const void* at) { return _mm512_loadu_si512(at); }

TRIVIUM_WIDE_INLINE void split64(const uint8_t* pixels, __m512i* channels) {
  const __m512i a = load(pixels), b = load(pixels + 64), c = load(pixels + 128);
  for (int channel = 0; channel < 3; ++channel) {
    const __m512i indices = load(&kSplit[channel]);
    channels[channel] = _mm512_mask_permutexvar_epi8(_mm512_permutex2var_epi8(a, indices, b), kInThird[channel], indices, c);
  }
}

TRIVIUM_WIDE_INLINE void join64(const __m512i* channels, uint8_t* pixels) {
  for (int vector = 0; vector < 3; ++vector) {
    const __m512i indices = load(&kJoin[vector]);
    const __m512i red_green = _mm512_permutex2var_epi8(channels[0], indices, channels[1]);
    _mm512_storeu_si512(pixels + 64 * vector, _mm512_mask_permutexvar_epi8(red_green, kBlue[vector], indices, channels[2]));
  }
}

/// Half of the levels in 16 bits; packing two halves gives them back in order.
template <int kHalf>
TRIVIUM_WIDE_INLINE __m512i widened(__m512i levels) {
  const __m512i zero = _mm512_setzero_si512();
  return kHalf == 0 ? _mm512_unpacklo_epi8(levels, zero) : _mm512_unpackhi_epi8(levels, zero);
}

/// luma() of colour.cc: weights of 2^16 in two bytes each.
TRIVIUM_WIDE_INLINE __m512i luma(__m512i red, __m512i green, __m512i blue) {
  const auto weigh = [&](int r, int g, int b) __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi,avx512vnni"), always_inline)) {
    const __m512i first = _mm512_mullo_epi16(red, _mm512_set1_epi16(static_cast<int16_t>(r)));
    const __m512i second = _mm512_mullo_epi16(green, _mm512_set1_epi16(static_cast<int16_t>(g)));
    return _mm512_add_epi16(_mm512_add_epi16(first, second), _mm512_mullo_epi16(blue, _mm512_set1_epi16(static_cast<int16_t>(b))));
  };
  const __m512i upper = weigh(76, 150, 29), lower = weigh(133, 70, 47);
  return _mm512_srli_epi16(_mm512_add_epi16(upper, _mm512_srli_epi16(lower, 8)), 8);
}

/// blend() of blend.h, not yet clipped.
TRIVIUM_WIDE_INLINE __m512i blended(__m512i level, __m512i base, __m512i part, __m512i whole) {
  const __m512i difference = _mm512_sub_epi16(level, base);
  const __m512i product = _mm512_mulhi_epi16(_mm512_slli_epi16(difference, 7), part);
  const __m512i sum = _mm512_add_epi16(_mm512_slli_epi16(base, 6), _mm512_and_si512(_mm512_slli_epi16(difference, 6), whole));
  return _mm512_srai_epi16(_mm512_add_epi16(sum, product), 6);
}

template <int kHalf>
TRIVIUM_WIDE_INLINE void saturate_half(const __m512i* channels, __m512i part, __m512i whole, __m512i* result) {
  const __m512i red = widened<kHalf>(channels[0]), green = widened<kHalf>(channels[1]), blue = widened<kHalf>(channels[2]);
  const __m512i grey = luma(red, green, blue);
  result[0] = blended(red, grey, part, whole);
  result[1] = blended(green, grey, part, whole);
  result[2] = blended(blue, grey, part, whole);
}

/// channel_of() of colour.cc.
TRIVIUM_WIDE_INLINE __m512i channel_of(__m512i hue, __m512i chroma, __m512i three_chroma, __m512i lowest) {
  __m512i part = _mm512_sub_epi16(_mm512_abs_epi16(_mm512_sub_epi16(hue, three_chroma)), chroma);
  part = _mm512_min_epi16(_mm512_max_epi16(part, _mm512_setzero_si512()), chroma);
  return _mm512_add_epi16(lowest, _mm512_srai_epi16(_mm512_add_epi16(part, _mm512_set1_epi16(1 << (kHueBits - 1))), kHueBits));
}

/// turn_hue_block() of colour.cc. Read without a sign, a hue below 0 is larger than itself a circle on: the smaller of both is the one
/// inside the circle.
template <int kHalf>
TRIVIUM_WIDE_INLINE void turn_half(const __m512i* channels, __m512i shift, __m512i* result) {
  const __m512i r = widened<kHalf>(channels[0]), g = widened<kHalf>(channels[1]), b = widened<kHalf>(channels[2]);
  const __m512i highest = _mm512_max_epi16(_mm512_max_epi16(r, g), b), lowest = _mm512_min_epi16(_mm512_min_epi16(r, g), b);
  const __m512i chroma = _mm512_slli_epi16(_mm512_sub_epi16(highest, lowest), kHueBits);
  const __m512i two = _mm512_slli_epi16(chroma, 1), three = _mm512_add_epi16(two, chroma), circle = _mm512_slli_epi16(three, 1);
  const __m512i from_blue = _mm512_add_epi16(_mm512_slli_epi16(two, 1), _mm512_slli_epi16(_mm512_sub_epi16(r, g), kHueBits));
  const __m512i from_green = _mm512_add_epi16(two, _mm512_slli_epi16(_mm512_sub_epi16(b, r), kHueBits));
  const __m512i from_red = _mm512_slli_epi16(_mm512_sub_epi16(g, b), kHueBits);
  __m512i hue = _mm512_mask_blend_epi16(_mm512_cmpeq_epi16_mask(highest, g), from_blue, from_green);
  hue = _mm512_mask_blend_epi16(_mm512_cmpeq_epi16_mask(highest, r), hue, from_red);
  hue = _mm512_add_epi16(hue, _mm512_mulhi_epu16(circle, shift));
  hue = _mm512_min_epu16(hue, _mm512_add_epi16(hue, circle));
  hue = _mm512_min_epu16(hue, _mm512_sub_epi16(hue, circle));
  __m512i green_hue = _mm512_sub_epi16(hue, two), blue_hue = _mm512_add_epi16(hue, two);
  green_hue = _mm512_min_epu16(green_hue, _mm512_add_epi16(green_hue, circle));
  blue_hue = _mm512_min_epu16(blue_hue, _mm512_sub_epi16(blue_hue, circle));
  result[0] = channel_of(hue, chroma, three, lowest);
  result[1] = channel_of(green_hue, chroma, three, lowest);
  result[2] = channel_of(blue_hue, chroma, three, lowest);
}

/// Runs `block` over whole blocks of pixels, and once over a copy of the rest.
template <typename Block>
TRIVIUM_WIDE_INLINE void in_wide_blocks(const uint8_t* source, uint8_t* target, int64_t count, const Block& block) {
  int64_t at = 0;
  for (; at + kWide <= count; at += kWide) block(source + at * 3, target + at * 3);
  if (at == count) return;
  uint8_t some[kWide * 3] = {}, result[kWide * 3];
  std::memcpy(some, source + at * 3, static_cast<size_t>((count - at) * 3));
  block(some, result);
  std::memcpy(target + at * 3, result, static_cast<size_t>((count - at) * 3));
}

struct Saturate {
  SmallFactor factor;
  TRIVIUM_WIDE_INLINE void operator()(const uint8_t* source, uint8_t* target) const {
    const __m512i part = _mm512_set1_epi16(factor.part), whole = _mm512_set1_epi16(static_cast<int16_t>(-factor.whole));
    __m512i channels[3], low[3], high[3];
    split64(source, channels);
    saturate_half<0>(channels, part, whole, low);
    saturate_half<1>(channels, part, whole, high);
    for (int c = 0; c < 3; ++c) channels[c] = _mm512_packus_epi16(low[c], high[c]);
    join64(channels, target);
  }
};

struct TurnHue {
  uint16_t shift;
  TRIVIUM_WIDE_INLINE void operator()(const uint8_t* source, uint8_t* target) const {
    const __m512i by = _mm512_set1_epi16(static_cast<int16_t>(shift));
    __m512i channels[3], low[3], high[3];
    split64(source, channels);
    turn_half<0>(channels, by, low);
    turn_half<1>(channels, by, high);
    for (int c = 0; c < 3; ++c) channels[c] = _mm512_packus_epi16(low[c], high[c]);
    join64(channels, target);
  }
};

TRIVIUM_WIDE_INLINE __m512i luma64(const uint8_t* source) {
  __m512i channels[3];
  split64(source, channels);
  return _mm512_packus_epi16(luma(widened<0>(channels[0]), widened<0>(channels[1]), widened<0>(channels[2])),
                             luma(widened<1>(channels[0]), widened<1>(channels[1]), widened<1>(channels[2])));
}

struct ToLuma {
  TRIVIUM_WIDE_INLINE void operator()(const uint8_t* source, uint8_t* target) const {
    const __m512i grey = luma64(source);
    const __m512i channels[3] = {grey, grey, grey};
    join64(channels, target);
  }
};

const bool kHasWideColour = __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni") &&
                            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");

}  // namespace

bool has_wide_colour() { return kHasWideColour; }

TRIVIUM_WIDE int64_t wide_luma_sum(const uint8_t* pixels, int64_t count) {
  __m512i sums = _mm512_setzero_si512();
  int64_t at = 0;
  for (; at + kWide <= count; at += kWide) {
    sums = _mm512_add_epi64(sums, _mm512_sad_epu8(luma64(pixels + at * 3), _mm512_setzero_si512()));
  }
  uint8_t rest[kWide * 3] = {};  // black adds nothing
  std::memcpy(rest, pixels + at * 3, static_cast<size_t>((count - at) * 3));
  sums = _mm512_add_epi64(sums, _mm512_sad_epu8(luma64(rest), _mm512_setzero_si512()));
  int64_t lanes[8], total = 0;
  _mm512_storeu_si512(lanes, sums);
  for (const int64_t lane : lanes) total += lane;
  return total;
}

TRIVIUM_WIDE void wide_to_luma(const uint8_t* source, uint8_t* target, int64_t count) {
  in_wide_blocks(source, target, count, ToLuma{});
}

TRIVIUM_WIDE void wide_saturate(const uint8_t* source, uint8_t* target, int64_t count, SmallFactor factor) {
  in_wide_blocks(source, target, count, Saturate{factor});
}

TRIVIUM_WIDE void wide_turn_hue(const uint8_t* source, uint8_t* target, int64_t count, uint16_t shift) {
  in_wide_blocks(source, target, count, TurnHue{shift});
}

}  // namespace trivium::augment

#else

namespace trivium::augment {

bool has_wide_colour() { return false; }
int64_t wide_luma_sum(const uint8_t*, int64_t) { return 0; }
void wide_to_luma(const uint8_t*, uint8_t*, int64_t) {}
void wide_saturate(const uint8_t*, uint8_t*, int64_t, SmallFactor) {}
void wide_turn_hue(const uint8_t*, uint8_t*, int64_t, uint16_t) {}

}  // namespace trivium::augment

#endif
