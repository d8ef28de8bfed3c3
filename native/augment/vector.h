// Inner loops in blocks of constant length, which compilers vectorise without being told; on x86-64 once for AVX2 and once for any
// processor, chosen at load. The AVX2 form has no fused multiply-add, so that every machine rounds alike.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TRIVIUM_VECTORISED __attribute__((target_clones("avx2", "default")))
#else
#define TRIVIUM_VECTORISED
#endif

namespace trivium::augment {

/// Sixteen RGB pixels: a whole number of vectors of any width, so that the pattern of channels repeats inside the block.
constexpr int64_t kBlock = 48;

}  // namespace trivium::augment
