// What a native test needs: checks that name file and line and let the test go on, and a count that main returns.
#pragma once

#include <torch/types.h>

#include <cmath>
#include <cstdio>
#include <string>

#include "core/error.h"

namespace trivium::testing {

inline int failures = 0;

inline void report(bool passed, const char* file, int line, const std::string& what) {
  if (passed) return;
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  ++failures;
}

/// Largest |actual − expected| over (1 + |expected|).
inline double difference(const torch::Tensor& actual, const torch::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) return INFINITY;
  const auto a = actual.detach().to(torch::kDouble), b = expected.detach().to(torch::kDouble);
  return ((a - b).abs() / (b.abs() + 1)).max().item<double>();
}

/// Passes when `function` throws an Error of that kind whose message contains `text`.
template <typename Function>
void expect_error(const char* file, int line, ErrorKind kind, const std::string& text, Function function) {
  try {
    function();
  } catch (const Error& error) {
    const std::string message = error.what();
    report(error.kind == kind, file, line, "an error of another kind: " + message);
    report(message.find(text) != std::string::npos, file, line, "expected \"" + text + "\" in: " + message);
    return;
  } catch (const std::exception& other) {
    report(false, file, line, std::string("not an Error of ours: ") + other.what());
    return;
  }
  report(false, file, line, "expected an error with \"" + text + "\" but none came");
}

inline int finish(const char* name) {
  std::printf("%s: %s\n", name, failures == 0 ? "passed" : (std::to_string(failures) + " failed").c_str());
  return failures == 0 ? 0 : 1;
}

}  // namespace trivium::testing

#define CHECK_TRUE(condition) trivium::testing::report(static_cast<bool>(condition), __FILE__, __LINE__, "not true: " #condition)

#define CHECK_NEAR(actual, expected, tolerance)                                                                          \
  do {                                                                                                                   \
    const double check_difference = trivium::testing::difference(actual, expected);                                     \
    trivium::testing::report(check_difference <= (tolerance), __FILE__, __LINE__,                                        \
                             std::string(#actual " is off by ") + std::to_string(check_difference));                     \
  } while (false)

#define CHECK_ERROR(kind, text, statement) \
  trivium::testing::expect_error(__FILE__, __LINE__, trivium::ErrorKind::kind, text, [&] { statement; })
