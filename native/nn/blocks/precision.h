// What must not run in bfloat16 or float16 even inside autocast.
#pragma once

#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/types.h>

namespace trivium::nn {

/// While one lives, operators run in the precision of their arguments.
class FullPrecision {
 public:
  FullPrecision() : guard_(c10::autocast_dispatch_keyset) {}

 private:
  c10::impl::ExcludeDispatchKeyGuard guard_;
};

/// bfloat16 and float16 become float32; float32 and float64 stay (float64 is what gradient checks run in).
inline torch::Tensor widen(const torch::Tensor& value) {
  const auto type = value.scalar_type();
  return type == torch::kBFloat16 || type == torch::kHalf ? value.to(torch::kFloat) : value;
}

/// Rows of unit length: [N, D] → [N, D], in float32 at least. A zero row stays zero.
torch::Tensor unit_rows(const torch::Tensor& rows);

}  // namespace trivium::nn
