// Counter-based random numbers (Philox4x32-10, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").
//
// Nothing random is drawn from a stream that must be replayed: a generator is keyed by what it is for, so that the number of
// workers, the order of arrival and a resume change nothing.
#pragma once

#include <array>
#include <cstdint>

namespace trivium {

/// What a draw is for. Two keys that differ in any field give independent sequences.
struct RngKey {
  uint64_t seed = 0;
  uint32_t epoch = 0;
  uint32_t view = 0;
  uint64_t sample = 0;
  uint32_t operation = 0;
};

/// The bare generator: ten rounds over a 128-bit counter under a 64-bit key. The same function as src/util/rng.ts.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

class Rng {
 public:
  explicit Rng(const RngKey& key);
  uint32_t next();                         ///< uniform 32-bit
  double uniform();                        ///< uniform in [0, 1), 53 bits
  double uniform(double low, double high); ///< uniform in [low, high)
  int64_t below(int64_t bound);            ///< uniform integer in [0, bound), unbiased; bound > 0
  bool chance(double probability);

 private:
  std::array<uint32_t, 4> counter_;
  std::array<uint32_t, 2> key_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
};

}  // namespace trivium
