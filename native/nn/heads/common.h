// Reading the sizes of heads.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.h"
#include "core/options.h"

namespace trivium::nn {

/// A required size option. Throws ConfigError when it is missing or outside [1, 2²⁰].
inline int64_t required_size(const Options& options, const std::string& key) {
  constexpr int64_t kLargest = 1 << 20;
  const int64_t value = options.integer(key);
  if (value < 1 || value > kLargest) {
    throw error(ErrorKind::Config, options.owner(), ": expected ", key, " between 1 and ", kLargest, " but got ", value);
  }
  return value;
}

}  // namespace trivium::nn
