#include "core/mode.h"

namespace trivium {
namespace {

void set_autocast(bool enabled, at::ScalarType dtype) {
  for (const auto device : {at::kCPU, at::kCUDA}) {
    at::autocast::set_autocast_enabled(device, enabled);
    if (enabled) at::autocast::set_autocast_dtype(device, dtype);
  }
}

}  // namespace

ModeGuard::ModeGuard(Mode mode) : grad_((mode & kModeGrad) != 0), autocast_((mode >> 1) != 0) {
  if (!autocast_) return;
  at::autocast::increment_nesting();
  set_autocast(true, (mode >> 1) == 1 ? at::kBFloat16 : at::kHalf);
}

ModeGuard::~ModeGuard() {
  if (!autocast_) return;
  set_autocast(false, at::kFloat);
  // The cache holds low-precision copies of the weights; kept past the call it would serve stale ones after an optimizer step.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

}  // namespace trivium
