// C++ exceptions → JavaScript errors. The error's `kind` names the TypeScript class that src/binding rethrows it as.
#pragma once

#include <napi.h>

#include <exception>
#include <string>
#include <utility>

#include "core/error.h"

namespace trivium::bindings {

struct Failure {
  ErrorKind kind = ErrorKind::Binding;
  std::string message;
};

/// What is wrong, from whatever was thrown; LibTorch's C++ backtraces are cut off.
Failure describe(const std::exception_ptr& thrown);

Napi::Error to_js(Napi::Env env, const Failure& failure);

/// Runs `body`; anything it throws leaves as a JavaScript exception.
template <typename Body>
auto guarded(Napi::Env env, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js(env, describe(std::current_exception()));
  }
}

/// Settles a promise with what `make` gives, or with what it throws: what leaves a callback of Node's ends the process.
template <typename Make>
void settle(Napi::Env env, const Napi::Promise::Deferred& deferred, Make&& make) {
  try {
    deferred.Resolve(std::forward<Make>(make)());
  } catch (const Napi::Error& error) {
    deferred.Reject(error.Value());
  } catch (...) {
    deferred.Reject(to_js(env, describe(std::current_exception())).Value());
  }
}

}  // namespace trivium::bindings
