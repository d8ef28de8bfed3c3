// Where the operators themselves are wanted and a kernel of our own would hide them.
#pragma once

#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/jit/frontend/tracer.h>

namespace trivium::nn {

/// In a trace, or in the count of operators (nn/cost.h).
inline bool operators_are_watched() {
  return torch::jit::tracer::isTracing() || c10::impl::tls_is_dispatch_key_included(c10::DispatchKey::TESTING_ONLY_GenericMode);
}

}  // namespace trivium::nn
