// Inner loops in blocks of constant length, which compilers vectorise without being told; on x86-64 once for each generation of
// vector instructions and once for any processor, chosen at load. The files of this folder are compiled without contraction into
// fused multiply-adds, so that every machine rounds alike. They include neither LibTorch nor anything of it.
#pragma once

#include <cstdint>

#include "core/vectorised.h"

#if defined(__GNUC__) && !defined(__clang__)
#define TRIVIUM_INLINE inline __attribute__((always_inline))
#else
#define TRIVIUM_INLINE inline
#endif

namespace trivium::augment {

/// Sixteen RGB pixels: a whole number of vectors of any width, so that the pattern of channels repeats inside the block.
constexpr int64_t kBlock = 48;

}  // namespace trivium::augment
