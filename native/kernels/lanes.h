// Sixteen floats at once, for kernels: vectors of the compiler, which it splits where the processor has shorter ones.
#pragma once

#include <cstdint>
#include <cstring>

// One machine code for each generation of processors, chosen when the library is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TRIVIUM_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define TRIVIUM_CLONES
#endif
#define TRIVIUM_INLINE inline __attribute__((always_inline))

namespace trivium::kernels {

constexpr int64_t kLanes = 16;

using Bits = uint16_t;  // a bfloat16 as it lies in memory: the upper half of a float32

typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Integers __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));

TRIVIUM_INLINE void load(const float* from, Floats& to) { std::memcpy(&to, from, sizeof(to)); }
TRIVIUM_INLINE void load(const Bits* from, Floats& to) {
  Halves halves;
  std::memcpy(&halves, from, sizeof(halves));
  const Words words = __builtin_convertvector(halves, Words) << 16;
  std::memcpy(&to, &words, sizeof(to));
}
TRIVIUM_INLINE void store(const Floats& from, float* to) { std::memcpy(to, &from, sizeof(from)); }

/// Rounded to the nearest bfloat16, ties to even.
TRIVIUM_INLINE void store(const Floats& from, Bits* to) {
  Words words;
  std::memcpy(&words, &from, sizeof(words));
  words = (words + 0x7FFF + ((words >> 16) & 1)) >> 16;
  const Halves halves = __builtin_convertvector(words, Halves);
  std::memcpy(to, &halves, sizeof(halves));
}

TRIVIUM_INLINE float widen(float value) { return value; }
TRIVIUM_INLINE float widen(Bits value) {
  const uint32_t word = static_cast<uint32_t>(value) << 16;
  float wide;
  std::memcpy(&wide, &word, sizeof(wide));
  return wide;
}
TRIVIUM_INLINE void narrow(float value, float& to) { to = value; }
TRIVIUM_INLINE void narrow(float value, Bits& to) {
  uint32_t word;
  std::memcpy(&word, &value, sizeof(word));
  to = static_cast<Bits>((word + 0x7FFF + ((word >> 16) & 1)) >> 16);
}

TRIVIUM_INLINE float sum_of(const Floats& values) {
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += values[i];
  return total;
}

/// e^x for x ≤ 0, to about one unit in the last place: 2^n · e^r with |r| ≤ ln 2 / 2 and a Taylor sum of degree 6. 0 below −87.
TRIVIUM_INLINE void exponential(const Floats& x, Floats& result) {
  const Floats clamped = x < -87.0F ? Floats{} - 87.0F : x;
  const Floats shifted = clamped * 1.44269504F - 0.5F;  // x ≤ 0: rounding towards zero of this is rounding of x · log2 e to nearest
  const Integers n = __builtin_convertvector(shifted, Integers);
  const Floats whole = __builtin_convertvector(n, Floats);
  const Floats r = (clamped - whole * 0.693359375F) + whole * 2.12194440e-4F;
  Floats sum = r * (1.0F / 720) + 1.0F / 120;
  sum = sum * r + 1.0F / 24;
  sum = sum * r + 1.0F / 6;
  sum = sum * r + 0.5F;
  sum = sum * r + 1.0F;
  sum = sum * r + 1.0F;
  const Integers exponent = (n + 127) << 23;
  Floats power;
  std::memcpy(&power, &exponent, sizeof(power));
  result = x < -87.0F ? Floats{} : sum * power;
}

}  // namespace trivium::kernels
