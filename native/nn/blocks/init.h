// Weight initialisations that LibTorch lacks or that several families share.
#pragma once

#include <torch/types.h>

#include <mutex>

#include "core/options.h"

namespace trivium::nn {

/// He et al. 2015, eq. 10 with fan_out: normal with standard deviation √(2 / (out · kh · kw)). weight: [out, in, kh, kw].
void kaiming_fan_out_(torch::Tensor weight);

/// Normal(0, std), values outside [−2, 2] redrawn: timm's trunc_normal_ with its (absolute) default bounds.
void truncated_normal_(torch::Tensor weight, double std);

/// Holds the global random stream at `seed` while it lives and puts it back afterwards, when the options have a `seed`:
/// equal seeds give equal weights, whatever else was drawn before, and building a network disturbs nobody else's draws. The stream
/// belongs to the whole process, so while one lives, no other thread builds a network, seeded or not.
class InitSeed {
 public:
  explicit InitSeed(const Options& options);
  ~InitSeed();
  InitSeed(const InitSeed&) = delete;
  InitSeed& operator=(const InitSeed&) = delete;

 private:
  std::lock_guard<std::mutex> alone_;
  torch::Tensor saved_;  // undefined when no seed was given
};

}  // namespace trivium::nn
