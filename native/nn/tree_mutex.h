// One lock for the structure of all module trees.
#pragma once

#include <mutex>

namespace trivium::nn {

/// Held while a module gains or loses parameters, and while another thread lists them: adapters come and go on the engine thread, and
/// JavaScript asks for names on its own.
inline std::mutex& tree_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace trivium::nn
