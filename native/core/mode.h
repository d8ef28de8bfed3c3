// Gradient mode and autocast as a value that travels with a call. LibTorch keeps both in thread-local state; the caller's
// choice must hold on whichever thread runs the call.
#pragma once

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>

namespace trivium {

/// Bit 0: gradients are recorded. Bits 1–2: autocast (0 none, 1 bfloat16, 2 float16).
using Mode = uint32_t;
constexpr Mode kModeGrad = 1;

class ModeGuard {
 public:
  explicit ModeGuard(Mode mode);
  ~ModeGuard();
  ModeGuard(const ModeGuard&) = delete;
  ModeGuard& operator=(const ModeGuard&) = delete;

 private:
  at::AutoGradMode grad_;
  bool autocast_;
};

}  // namespace trivium
