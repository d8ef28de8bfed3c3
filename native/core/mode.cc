#include "core/mode.h"

namespace trivium {
namespace {

Mode autocast_of(Mode mode) { return (mode >> 1) & 3; }

void set_autocast(bool enabled, at::ScalarType dtype) {
  for (const auto device : {at::kCPU, at::kCUDA}) {
    at::autocast::set_autocast_enabled(device, enabled);
    if (enabled) at::autocast::set_autocast_dtype(device, dtype);
  }
}

}  // namespace

ModeGuard::ModeGuard(Mode mode) : grad_((mode & kModeGrad) != 0), autocast_(autocast_of(mode) != 0) {
  if ((mode & kModeSide) != 0) side_.emplace();
  if (!autocast_) return;
  at::autocast::increment_nesting();
  set_autocast(true, autocast_of(mode) == 1 ? at::kBFloat16 : at::kHalf);
}

ModeGuard::~ModeGuard() {
  if (!autocast_) return;
  set_autocast(false, at::kFloat);
  // The cache holds low-precision copies of the weights; kept past the call it would serve stale ones after an optimizer step.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

}  // namespace trivium
