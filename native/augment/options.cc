// Options that several operations read.
#include <limits>

#include "augment/operations.h"
#include "core/error.h"

namespace trivium::augment {

int64_t side_option(const Options& options, const char* key) {
  const int64_t side = options.integer(key);
  if (side < 1 || side > 8192) throw error(ErrorKind::Config, options.owner(), ": expected ", key, " from 1 to 8192 but got ", side);
  return side;
}

std::string interpolation_option(const Options& options) {
  const std::string name = options.string("interpolation", "bilinear");
  if (name != "bilinear" && name != "bicubic") {
    throw error(ErrorKind::Config, options.owner(), ": expected interpolation \"bilinear\" or \"bicubic\" but got \"", name, "\"");
  }
  return name;
}

double probability_option(const Options& options, double fallback) {
  const double p = options.number("p", fallback);
  if (!(p >= 0 && p <= 1)) throw error(ErrorKind::Config, options.owner(), ": expected p from 0 to 1 but got ", p);
  return p;
}

Range range_option(const Options& options, const char* key, Range fallback, double lowest, double highest) {
  const std::vector<double> values = options.numbers(key, {fallback.low, fallback.high});
  if (values.size() != 2 || !(values[0] >= lowest) || !(values[0] <= values[1]) || !(values[1] <= highest)) {
    const std::string limit = highest == std::numeric_limits<double>::infinity() ? "" : " ≤ " + std::to_string(highest);
    throw error(ErrorKind::Config, options.owner(), ": expected ", key, " to be two numbers with ", lowest, " ≤ low ≤ high", limit);
  }
  return {values[0], values[1]};
}

}  // namespace trivium::augment
