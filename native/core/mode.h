// Gradient mode, autocast and the stream as a value that travels with a call. LibTorch keeps all three in thread-local state; the
// caller's choice must hold on whichever thread runs the call.
#pragma once

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <optional>

#include "core/step_graph.h"

namespace trivium {

/// Bit 0: gradients are recorded. Bits 1–2: autocast (0 none, 1 bfloat16, 2 float16). Bit 3: on the side stream of a StepGraph.
using Mode = uint32_t;
constexpr Mode kModeGrad = 1;
constexpr Mode kModeSide = 8;

class ModeGuard {
 public:
  explicit ModeGuard(Mode mode);
  ~ModeGuard();
  ModeGuard(const ModeGuard&) = delete;
  ModeGuard& operator=(const ModeGuard&) = delete;

 private:
  at::AutoGradMode grad_;
  bool autocast_;
  std::optional<SideStreamScope> side_;
};

}  // namespace trivium
