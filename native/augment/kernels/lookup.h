// 256-entry tables over 8-bit pixels, and the statistics that tables are made from.
#pragma once

#include <array>
#include <cstdint>

namespace trivium::augment {

using Table = std::array<uint8_t, 256>;

/// One table for each of R, G, B; `shared`: all three are the first one.
struct Tables {
  alignas(64) std::array<Table, 3> channel;
  bool shared = true;
};

/// target[i] = table of its channel [source[i]] over `count` bytes of interleaved RGB; source and target may be the same.
void look_up(const uint8_t* source, uint8_t* target, int64_t count, const Tables& tables);

/// first, then second, as one.
void compose(Tables& first, const Tables& second);

using Histogram = std::array<std::array<int32_t, 256>, 3>;

/// How often each level occurs in each channel of `count` pixels.
void histogram(const uint8_t* pixels, int64_t count, Histogram& levels);

struct ChannelRange {
  std::array<uint8_t, 3> low, high;
};
ChannelRange channel_range(const uint8_t* pixels, int64_t count);

}  // namespace trivium::augment
