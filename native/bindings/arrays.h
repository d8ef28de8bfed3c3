// Typed arrays that the addon makes.
#pragma once

#include <napi.h>

#include <type_traits>
#include <utility>

#include "core/error.h"

namespace trivium::bindings {

/// A typed array of zeros. A large one is made by JavaScript's own constructor, which throws where memory does not suffice:
/// napi_create_arraybuffer ends the process then.
template <typename Array>
Array new_array(Napi::Env env, size_t length) {
  using Element = std::remove_pointer_t<decltype(std::declval<Array>().Data())>;
  constexpr size_t kLarge = 1 << 16;  // bytes; where so little is refused, Node cannot go on either
  const size_t bytes = length * sizeof(Element);
  if (bytes < kLarge) return Array::New(env, length);
  constexpr const char* kName = std::is_same_v<Element, float>      ? "Float32Array"
                                : std::is_same_v<Element, double>   ? "Float64Array"
                                : std::is_same_v<Element, int64_t>  ? "BigInt64Array"
                                : std::is_same_v<Element, int32_t>  ? "Int32Array"
                                : std::is_same_v<Element, int16_t>  ? "Int16Array"
                                : std::is_same_v<Element, int8_t>   ? "Int8Array"
                                : std::is_same_v<Element, uint8_t>  ? "Uint8Array"
                                                                    : nullptr;
  static_assert(kName != nullptr, "a type that JavaScript has an array of");
  try {
    const auto constructor = env.Global().Get(kName).template As<Napi::Function>();
    return constructor.New({Napi::Number::New(env, static_cast<double>(length))}).template As<Array>();
  } catch (const Napi::Error&) {
    throw error(ErrorKind::Binding, "out of memory: an array of ", bytes,
                " bytes was refused. Lower batch_size or image_size, or end other programs");
  }
}

}  // namespace trivium::bindings
