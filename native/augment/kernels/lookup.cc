#include "augment/kernels/lookup.h"

#include <algorithm>

#include "augment/kernels/vector.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define TRIVIUM_VBMI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))
#endif

namespace trivium::augment {
namespace {

void look_up_plainly(const uint8_t* source, uint8_t* target, int64_t count, const Tables& tables) {
  const uint8_t* red = tables.channel[0].data();
  const uint8_t* green = tables.shared ? red : tables.channel[1].data();
  const uint8_t* blue = tables.shared ? red : tables.channel[2].data();
  for (int64_t i = 0; i + 3 <= count; i += 3) {
    target[i] = red[source[i]];
    target[i + 1] = green[source[i + 1]];
    target[i + 2] = blue[source[i + 2]];
  }
}

#ifdef TRIVIUM_VBMI

/// A table in four registers: two permutations of 128 entries, the top bit of the level chooses.
struct Register256 {
  __m512i quarter[4];
};

TRIVIUM_VBMI inline Register256 load(const Table& table) {
  Register256 result;
  for (int i = 0; i < 4; ++i) result.quarter[i] = _mm512_loadu_si512(table.data() + 64 * i);
  return result;
}

TRIVIUM_VBMI inline __m512i look_up64(const Register256& table, __m512i level) {
  const __m512i low = _mm512_permutex2var_epi8(table.quarter[0], level, table.quarter[1]);
  const __m512i high = _mm512_permutex2var_epi8(table.quarter[2], level, table.quarter[3]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(level), low, high);
}

TRIVIUM_VBMI inline __mmask64 first_bytes(int64_t count) { return count >= 64 ? ~__mmask64{0} : (__mmask64{1} << count) - 1; }

TRIVIUM_VBMI void look_up_shared(const uint8_t* source, uint8_t* target, int64_t count, const Table& table) {
  const Register256 registers = load(table);
  for (int64_t i = 0; i < count; i += 64) {
    const __mmask64 some = first_bytes(count - i);
    _mm512_mask_storeu_epi8(target + i, some, look_up64(registers, _mm512_maskz_loadu_epi8(some, source + i)));
  }
}

TRIVIUM_VBMI void look_up_channels(const uint8_t* source, uint8_t* target, int64_t count, const Tables& tables) {
  const Register256 red = load(tables.channel[0]), green = load(tables.channel[1]), blue = load(tables.channel[2]);
  constexpr __mmask64 kEveryThird = 0x9249249249249249;  // bits 0, 3, …, 63
  for (int64_t i = 0, phase = 0; i < count; i += 64, phase = (phase + 1) % 3) {
    // 64 = 1 (mod 3): each block begins one channel later than the one before.
    const __mmask64 red_here = phase == 0 ? kEveryThird : phase == 1 ? kEveryThird << 2 : kEveryThird << 1;
    const __mmask64 green_here = phase == 0 ? kEveryThird << 1 : phase == 1 ? kEveryThird : kEveryThird << 2;
    const __mmask64 some = first_bytes(count - i);
    const __m512i level = _mm512_maskz_loadu_epi8(some, source + i);
    __m512i result = look_up64(blue, level);
    result = _mm512_mask_blend_epi8(red_here, result, look_up64(red, level));
    result = _mm512_mask_blend_epi8(green_here, result, look_up64(green, level));
    _mm512_mask_storeu_epi8(target + i, some, result);
  }
}

const bool kHasVbmi = __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512bw");

#endif

TRIVIUM_VECTORISED
void extremes(const uint8_t* __restrict pixels, int64_t blocks, uint8_t* __restrict low, uint8_t* __restrict high) {
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t i = 0; i < kBlock; ++i) {
      const uint8_t level = pixels[block * kBlock + i];
      low[i] = low[i] < level ? low[i] : level;
      high[i] = high[i] > level ? high[i] : level;
    }
  }
}

}  // namespace

void look_up(const uint8_t* source, uint8_t* target, int64_t count, const Tables& tables) {
#ifdef TRIVIUM_VBMI
  if (kHasVbmi) {
    if (tables.shared) return look_up_shared(source, target, count, tables.channel[0]);
    return look_up_channels(source, target, count, tables);
  }
#endif
  look_up_plainly(source, target, count, tables);
}

void compose(Tables& first, const Tables& second) {
  if (first.shared && second.shared) {
    for (uint8_t& level : first.channel[0]) level = second.channel[0][level];
    return;
  }
  if (first.shared) first.channel[1] = first.channel[2] = first.channel[0];
  for (int c = 0; c < 3; ++c) {
    const Table& table = second.channel[second.shared ? 0 : c];
    for (uint8_t& level : first.channel[c]) level = table[level];
  }
  first.shared = false;
}

void histogram(const uint8_t* pixels, int64_t count, Histogram& levels) {
  // Two of them in turn: neighbours are often of one level, and a counter just written is slow to read.
  Histogram even{}, odd{};
  int64_t i = 0;
  for (; i + 2 <= count; i += 2) {
    const uint8_t* pixel = pixels + i * 3;
    ++even[0][pixel[0]];
    ++even[1][pixel[1]];
    ++even[2][pixel[2]];
    ++odd[0][pixel[3]];
    ++odd[1][pixel[4]];
    ++odd[2][pixel[5]];
  }
  if (i < count) {
    for (int c = 0; c < 3; ++c) ++even[c][pixels[i * 3 + c]];
  }
  for (int c = 0; c < 3; ++c) {
    for (int level = 0; level < 256; ++level) levels[c][level] = even[c][level] + odd[c][level];
  }
}

ChannelRange channel_range(const uint8_t* pixels, int64_t count) {
  std::array<uint8_t, kBlock> low, high;
  low.fill(255);
  high.fill(0);
  const int64_t blocks = count / (kBlock / 3);
  extremes(pixels, blocks, low.data(), high.data());
  ChannelRange range{{255, 255, 255}, {0, 0, 0}};
  for (int64_t i = 0; i < kBlock; ++i) {
    range.low[i % 3] = std::min(range.low[i % 3], low[i]);
    range.high[i % 3] = std::max(range.high[i % 3], high[i]);
  }
  for (int64_t i = blocks * kBlock; i < count * 3; ++i) {
    range.low[i % 3] = std::min(range.low[i % 3], pixels[i]);
    range.high[i % 3] = std::max(range.high[i % 3], pixels[i]);
  }
  return range;
}

}  // namespace trivium::augment
