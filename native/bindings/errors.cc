#include "bindings/errors.h"

#include <c10/util/Exception.h>

#include <new>

namespace trivium::bindings {
namespace {

const char* name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Config: return "config";
    case ErrorKind::Shape: return "shape";
    case ErrorKind::Dataset: return "dataset";
    case ErrorKind::Snapshot: return "snapshot";
    case ErrorKind::NonFinite: return "non-finite";
    case ErrorKind::Binding: return "binding";
  }
  return "binding";
}

// LibTorch throws one type for everything; these are the words of its complaints about sizes.
bool about_shapes(const std::string& message) {
  for (const char* words : {"shape", "size of tensor", "Sizes of tensors", "size mismatch", "must match the size", "dimension", "cannot be multiplied",
                            "D input", "D or ", "to have the same number", "channels, but got"}) {
    if (message.find(words) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Failure describe(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& e) {
    return {e.kind, e.what()};
  } catch (const c10::Error& e) {
    const std::string message = e.what_without_backtrace();
    return {about_shapes(message) ? ErrorKind::Shape : ErrorKind::Binding, message};
  } catch (const std::bad_alloc&) {
    return {ErrorKind::Binding, "out of memory. Lower batch_size or image_size"};
  } catch (const std::exception& e) {
    return {ErrorKind::Binding, e.what()};
  } catch (...) {
    return {ErrorKind::Binding, "the native code threw something that is not an exception"};
  }
}

Napi::Error to_js(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("kind", Napi::String::New(env, name_of(failure.kind)));
  return error;
}

}  // namespace trivium::bindings
