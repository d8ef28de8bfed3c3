#include "bindings/convert.h"

#include <cmath>
#include <memory>

#include "bindings/environment.h"
#include "core/error.h"

namespace trivium::bindings {
namespace {

constexpr napi_type_tag kTensorTag{0x7f2d6a0c5b9e4d11ULL, 0x9c3a8e17d4405b62ULL};

// The counter is shared: handles are finalised after the environment's own data when the process ends.
struct TensorHandle {
  torch::Tensor tensor;
  std::shared_ptr<int64_t> live;
  int64_t accounted = 0;
};

void account(Napi::Env env, int64_t bytes) {
  if (bytes != 0) Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
}

// A view shares its storage with a tensor that is accounted already.
int64_t owned_bytes(const torch::Tensor& tensor) {
  return tensor.defined() && tensor.has_storage() && tensor.storage().use_count() == 1 ? static_cast<int64_t>(tensor.storage().nbytes())
                                                                                       : 0;
}

void release(Napi::Env env, TensorHandle& handle) {
  if (!handle.tensor.defined()) return;
  handle.tensor.reset();
  account(env, -handle.accounted);
  handle.accounted = 0;
  --*handle.live;
}

TensorHandle* handle_of(const Napi::Value& value) {
  if (!value.IsExternal()) return nullptr;
  bool tagged = false;
  if (napi_check_object_type_tag(value.Env(), value, &kTensorTag, &tagged) != napi_ok || !tagged) return nullptr;
  return value.As<Napi::External<TensorHandle>>().Data();
}

const char* type_of(const Napi::Value& value) {
  if (value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsNumber()) return "a number";
  if (value.IsString()) return "a string";
  if (value.IsBoolean()) return "a boolean";
  if (value.IsArray()) return "an array";
  if (value.IsFunction()) return "a function";
  return "an object";
}

Napi::Array array_of(const Napi::Value& value, const char* what) {
  if (!value.IsArray()) throw error(ErrorKind::Binding, "expected an array for ", what, " but got ", type_of(value));
  return value.As<Napi::Array>();
}

Napi::Object object_of(const Napi::Value& value, const char* what) {
  if (!value.IsObject()) throw error(ErrorKind::Binding, "expected an object for ", what, " but got ", type_of(value));
  return value.As<Napi::Object>();
}

double number_of(const Napi::Value& value, const char* what) {
  if (!value.IsNumber()) throw error(ErrorKind::Binding, "expected a number for ", what, " but got ", type_of(value));
  return value.As<Napi::Number>().DoubleValue();
}

}  // namespace

Napi::Value wrap_tensor(Napi::Env env, torch::Tensor tensor) {
  if (!tensor.defined()) return env.Null();
  auto handle = std::make_unique<TensorHandle>();
  handle->accounted = owned_bytes(tensor);
  handle->tensor = std::move(tensor);
  handle->live = Environment::of(env).live_tensors;
  TensorHandle* raw = handle.release();
  auto external = Napi::External<TensorHandle>::New(env, raw, [](Napi::Env env, TensorHandle* dying) {
    release(env, *dying);
    delete dying;
  });
  NAPI_THROW_IF_FAILED(env, napi_type_tag_object(env, external, &kTensorTag), env.Null());
  account(env, raw->accounted);
  ++*raw->live;
  return external;
}

bool is_tensor(const Napi::Value& value) { return handle_of(value) != nullptr; }

const torch::Tensor& unwrap_tensor(const Napi::Value& value, const char* what) {
  TensorHandle* handle = handle_of(value);
  if (!handle) throw error(ErrorKind::Binding, "expected a Tensor for ", what, " but got ", type_of(value));
  if (!handle->tensor.defined())
    throw error(ErrorKind::Binding, what, " was disposed before this call. Move it out of its scope, or dispose it later");
  return handle->tensor;
}

void dispose_tensor(const Napi::Value& value) {
  if (TensorHandle* handle = handle_of(value)) release(value.Env(), *handle);
}

std::string to_string(const Napi::Value& value, const char* what) {
  if (!value.IsString()) throw error(ErrorKind::Binding, "expected a string for ", what, " but got ", type_of(value));
  return value.As<Napi::String>().Utf8Value();
}

std::vector<int64_t> to_shape(const Napi::Value& value, const char* what) {
  std::vector<int64_t> shape;
  for (const double number : to_numbers(value, what)) {
    if (number != std::floor(number) || std::abs(number) > 9007199254740991.0)
      throw error(ErrorKind::Shape, "expected integers for ", what, " but got ", number);
    shape.push_back(static_cast<int64_t>(number));
  }
  return shape;
}

std::vector<double> to_numbers(const Napi::Value& value, const char* what) {
  const auto array = array_of(value, what);
  std::vector<double> numbers(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) numbers[i] = number_of(array.Get(i), what);
  return numbers;
}

std::vector<torch::Tensor> to_tensors(const Napi::Value& value, const char* what) {
  const auto array = array_of(value, what);
  std::vector<torch::Tensor> tensors;
  tensors.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) tensors.push_back(unwrap_tensor(array.Get(i), what));
  return tensors;
}

Mode to_mode(const Napi::Value& value) { return static_cast<Mode>(number_of(value, "mode")); }

NamedTensors to_named_tensors(const Napi::Value& value, const char* what) {
  const auto array = array_of(value, what);
  NamedTensors tensors;
  tensors.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); i++) {
    const auto pair = array_of(array.Get(i), what);
    const std::string name = to_string(pair.Get(0u), what);
    tensors.emplace_back(name, unwrap_tensor(pair.Get(1u), name.c_str()));
  }
  return tensors;
}

Napi::Array from_named_tensors(Napi::Env env, const NamedTensors& tensors) {
  auto array = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); i++) {
    auto pair = Napi::Array::New(env, 2);
    pair.Set(0u, Napi::String::New(env, tensors[i].first));
    pair.Set(1u, wrap_tensor(env, tensors[i].second));
    array.Set(i, pair);
  }
  return array;
}

Options to_options(const std::string& owner, const Napi::Value& value) {
  std::map<std::string, OptionValue> values;
  const auto object = object_of(value, owner.c_str());
  const auto keys = object.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); i++) {
    const std::string key = to_string(keys.Get(i), "an option's name");
    const Napi::Value option = object.Get(key);
    if (option.IsUndefined() || option.IsNull()) continue;
    if (option.IsBoolean()) values[key] = option.As<Napi::Boolean>().Value();
    else if (option.IsNumber()) values[key] = option.As<Napi::Number>().DoubleValue();
    else if (option.IsString()) values[key] = option.As<Napi::String>().Utf8Value();
    else if (option.IsArray()) values[key] = to_numbers(option, key.c_str());
    else throw error(ErrorKind::Config, owner, ".", key, ": expected a boolean, number, string or list of numbers but got ", type_of(option));
  }
  return Options(owner, std::move(values));
}

std::map<std::string, std::string> to_string_map(const Napi::Value& value, const char* what) {
  std::map<std::string, std::string> map;
  const auto object = object_of(value, what);
  const auto keys = object.GetPropertyNames();
  for (uint32_t i = 0; i < keys.Length(); i++) {
    const std::string key = to_string(keys.Get(i), what);
    map[key] = to_string(object.Get(key), key.c_str());
  }
  return map;
}

Napi::Array from_shape(Napi::Env env, at::IntArrayRef shape) {
  auto array = Napi::Array::New(env, shape.size());
  for (uint32_t i = 0; i < shape.size(); i++) array.Set(i, Napi::Number::New(env, static_cast<double>(shape[i])));
  return array;
}

}  // namespace trivium::bindings
