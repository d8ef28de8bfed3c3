#include "augment/kernels/rows.h"

#include "augment/kernels/planar.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace trivium::augment {
namespace {

#ifdef TRIVIUM_SHUFFLES
/// Sixteen pixels in reverse order: each channel reversed, between split and join.
TRIVIUM_INLINE void mirror16(const uint8_t* source, uint8_t* target) {
  Bytes16 channel[3];
  split16(source, reinterpret_cast<uint8_t*>(&channel[0]), reinterpret_cast<uint8_t*>(&channel[1]), reinterpret_cast<uint8_t*>(&channel[2]));
  for (Bytes16& c : channel) c = __builtin_shufflevector(c, c, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  join16(reinterpret_cast<uint8_t*>(&channel[0]), reinterpret_cast<uint8_t*>(&channel[1]), reinterpret_cast<uint8_t*>(&channel[2]), target);
}
#else
TRIVIUM_INLINE void mirror16(const uint8_t* source, uint8_t* target) {
  for (int i = 0; i < 16; ++i) std::memcpy(target + i * 3, source + (15 - i) * 3, 3);
}
#endif

}  // namespace

TRIVIUM_VECTORISED
void mirror_row(const uint8_t* source, uint8_t* target, int64_t width) {
  int64_t x = 0;
  for (; x + 16 <= width; x += 16) mirror16(source + (width - 16 - x) * 3, target + x * 3);
  for (; x < width; ++x) std::memcpy(target + x * 3, source + (width - 1 - x) * 3, 3);
}

TRIVIUM_VECTORISED
void normalise(const uint8_t* __restrict source, float* __restrict target, int64_t count, const ChannelPattern& scale,
               const ChannelPattern& shift) {
  int64_t at = 0;
  for (; at + kBlock <= count; at += kBlock) {
    for (int64_t i = 0; i < kBlock; ++i) target[at + i] = static_cast<float>(source[at + i]) * scale[i] + shift[i];
  }
  for (int64_t i = 0; at + i < count; ++i) target[at + i] = static_cast<float>(source[at + i]) * scale[i] + shift[i];
}

#ifdef __SSE2__

TRIVIUM_VECTORISED
static void stream_blocks(const uint8_t* __restrict source, float* __restrict target, int64_t count, const ChannelPattern& scale,
                          const ChannelPattern& shift) {
  for (int64_t at = 0; at + kBlock <= count; at += kBlock) {
    alignas(64) float block[kBlock];
    for (int64_t i = 0; i < kBlock; ++i) block[i] = static_cast<float>(source[at + i]) * scale[i] + shift[i];
    for (int64_t i = 0; i < kBlock; i += 4) _mm_stream_ps(target + at + i, _mm_load_ps(block + i));
  }
  _mm_sfence();  // streamed stores wait for nobody
}

void normalise_streamed(const uint8_t* source, float* target, int64_t count, const ChannelPattern& scale, const ChannelPattern& shift) {
  if (reinterpret_cast<uintptr_t>(target) % 16 != 0) return normalise(source, target, count, scale, shift);
  const int64_t whole = count / kBlock * kBlock;
  stream_blocks(source, target, whole, scale, shift);
  normalise(source + whole, target + whole, count - whole, scale, shift);
}

#else

void normalise_streamed(const uint8_t* source, float* target, int64_t count, const ChannelPattern& scale, const ChannelPattern& shift) {
  normalise(source, target, count, scale, shift);
}

#endif

TRIVIUM_VECTORISED
void accumulate(const uint8_t* __restrict source, float weight, float* __restrict target, int64_t count) {
  for (int64_t i = 0; i < count; ++i) target[i] += static_cast<float>(source[i]) * weight;
}

TRIVIUM_VECTORISED
void truncate(const float* __restrict source, uint8_t* __restrict target, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    float value = source[i];
    value = value < 0.0f ? 0.0f : value;
    value = value > 255.0f ? 255.0f : value;
    target[i] = static_cast<uint8_t>(static_cast<int32_t>(value));
  }
}

}  // namespace trivium::augment
