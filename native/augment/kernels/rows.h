// Whole rows: mirrored copies, and the last step of a plan.
#pragma once

#include <array>
#include <cstdint>

#include "augment/kernels/vector.h"

namespace trivium::augment {

/// target[x] = source[width − 1 − x] over the pixels of a row; target must not be source.
void mirror_row(const uint8_t* source, uint8_t* target, int64_t width);

/// Scale and shift of each value of a block, the three channels in turn.
using ChannelPattern = std::array<float, kBlock>;

/// target = level · scale + shift of its channel, over `count` interleaved values.
void normalise(const uint8_t* source, float* target, int64_t count, const ChannelPattern& scale, const ChannelPattern& shift);

/// The same past the caches, for a result too large to be found there again: a store into the cache would first read what it
/// overwrites. Visible to other threads when it returns.
void normalise_streamed(const uint8_t* source, float* target, int64_t count, const ChannelPattern& scale, const ChannelPattern& shift);

/// target += weight · level, over `count` values; and target truncated and clipped to levels.
void accumulate(const uint8_t* source, float weight, float* target, int64_t count);
void truncate(const float* source, uint8_t* target, int64_t count);

}  // namespace trivium::augment
