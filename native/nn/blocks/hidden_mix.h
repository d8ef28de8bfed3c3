// Mixing of hidden states within a batch: manifold mixup (Verma et al. 2018, arXiv 1806.05236) before any part of a network, MixToken
// (Jiang et al. 2021, arXiv 2104.10858) among the tokens that enter the first. A part is what blocks/checkpoint.h runs outermost: a
// block of a transformer, a stage or block of a convolutional network; every family runs its parts through there.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace trivium::nn {

struct HiddenMix {
  int64_t part = -1;       // the input of this part is mixed; −1: nothing is, the parts are only counted
  double lambda = 1;       // share of the own state
  torch::Tensor partners;  // int64 [N]
  torch::Tensor own;       // bool [tokens]: instead of λ, whole tokens; those in front of the patches (class, registers) stay
};

/// While it lives, networks that run on this thread mix as it says. One at a time.
class HiddenMixScope {
 public:
  explicit HiddenMixScope(HiddenMix mix);
  ~HiddenMixScope();
  HiddenMixScope(const HiddenMixScope&) = delete;
  HiddenMixScope& operator=(const HiddenMixScope&) = delete;

  /// The shape of each part's input so far.
  const std::vector<std::vector<int64_t>>& parts() const { return parts_; }

 private:
  friend class PartScope;
  HiddenMix mix_;
  std::vector<std::vector<int64_t>> parts_;
  int depth_ = 0;
};

/// Around one run of a part: gives its input, mixed where it is this part's turn.
class PartScope {
 public:
  PartScope();
  ~PartScope();
  torch::Tensor enter(const torch::Tensor& x) const;

 private:
  HiddenMixScope* scope_;
};

}  // namespace trivium::nn
