// The one exception type of the native code. bindings/ turns `kind` into the TypeScript error class of the same name.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

namespace trivium {

enum class ErrorKind { Config, Shape, Dataset, Snapshot, NonFinite, Binding };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind(kind) {}
  const ErrorKind kind;
};

/// Joins its arguments with `<<` into the message: `throw error(ErrorKind::Shape, "expected ", n, " but got ", m)`.
template <typename... Parts>
Error error(ErrorKind kind, Parts&&... parts) {
  std::ostringstream message;
  (message << ... << std::forward<Parts>(parts));
  return Error(kind, message.str());
}

}  // namespace trivium
