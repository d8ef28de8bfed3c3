#include "core/rng.h"

#include <cassert>
#include <cmath>

namespace trivium {
namespace {

constexpr int kRounds = 10;

uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t first = 0xD2511F53ULL * counter[0];
    const uint64_t second = 0xCD9E8D57ULL * counter[2];
    counter = {high(second) ^ counter[1] ^ key[0], low(second), high(first) ^ counter[3] ^ key[1], low(first)};
    key[0] += 0x9E3779B9;  // golden ratio
    key[1] += 0xBB67AE85;  // sqrt(3) − 1
  }
  return counter;
}

// The key's fields are wider than a Philox counter, so they go through the cipher twice: who the draw is for (sample, epoch, view)
// under the seed gives 128 bits; half of them become the key, the other half sits beside the operation and the running block number.
Rng::Rng(const RngKey& key) {
  const auto identity = philox4x32({low(key.sample), high(key.sample), key.epoch, key.view}, {low(key.seed), high(key.seed)});
  key_ = {identity[0], identity[1]};
  counter_ = {0, key.operation, identity[2], identity[3]};
}

uint32_t Rng::next() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

double Rng::uniform() {
  const uint64_t upper = next() >> 5;  // 27 bits
  const uint64_t lower = next() >> 6;  // 26 bits
  return static_cast<double>((upper << 26) | lower) * 0x1p-53;
}

double Rng::uniform(double low, double high) {
  const double value = low + (high - low) * uniform();
  return value < high || low >= high ? value : std::nextafter(high, low);  // the product may round up to `high`
}

// Lemire 2019, "Fast random integer generation in an interval": a multiplication, and a redraw only where the result would be biased.
int64_t Rng::below(int64_t bound) {
  assert(bound > 0);
  const auto range = static_cast<uint64_t>(bound);
  if (range <= 0xFFFFFFFFULL) {
    const auto narrow = static_cast<uint32_t>(range);
    const uint32_t threshold = (0U - narrow) % narrow;
    while (true) {
      const uint64_t product = static_cast<uint64_t>(next()) * narrow;
      if (low(product) >= threshold) return static_cast<int64_t>(product >> 32);
    }
  }
  const uint64_t threshold = (0ULL - range) % range;
  while (true) {
    const uint64_t upper = next();
    const uint64_t draw = (upper << 32) | next();
    if (draw >= threshold) return static_cast<int64_t>(draw % range);
  }
}

bool Rng::chance(double probability) { return uniform() < probability; }

}  // namespace trivium
