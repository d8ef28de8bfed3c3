// Tensor handles: making, reading, disposing, gradients.
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstring>

#include "bindings/arrays.h"
#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/register.h"
#include "core/device.h"
#include "core/error.h"

namespace trivium::bindings {
namespace {

torch::ScalarType element_type(napi_typedarray_type type) {
  switch (type) {
    case napi_int8_array: return torch::kInt8;
    case napi_uint8_array:
    case napi_uint8_clamped_array: return torch::kUInt8;
    case napi_int16_array: return torch::kInt16;
    case napi_int32_array: return torch::kInt32;
    case napi_float32_array: return torch::kFloat32;
    case napi_float64_array: return torch::kFloat64;
    case napi_bigint64_array: return torch::kInt64;
    default: throw error(ErrorKind::Binding, "tensor data: expected Float32Array, Float64Array, BigInt64Array, Int32Array, Int16Array, "
                         "Int8Array or Uint8Array but got another typed array");
  }
}

// tensorFrom(typedArray, shape, dtype, device, requiresGrad)
Napi::Value tensor_from(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) throw error(ErrorKind::Binding, "tensor data: expected a typed array");
  const auto array = info[0].As<Napi::TypedArray>();
  const auto shape = to_shape(info[1], "shape");
  const auto source = element_type(array.TypedArrayType());
  const auto dtype = parse_dtype(to_string(info[2], "dtype"));
  const auto device = parse_device(to_string(info[3], "device"));
  const bool requires_grad = info[4].As<Napi::Boolean>();
  int64_t count = 1;
  for (const auto size : shape) {
    if (size < 0) throw error(ErrorKind::Shape, "shape: expected sizes of at least 0 but got ", size);
    count *= size;
  }
  if (count != static_cast<int64_t>(array.ElementLength()))
    throw error(ErrorKind::Shape, "shape ", c10::IntArrayRef(shape), " holds ", count, " elements but the data has ", array.ElementLength());
  const at::AutoGradMode no_grad(false);
  auto tensor = torch::empty(shape, torch::TensorOptions().dtype(source));
  const auto* bytes = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  if (count > 0) std::memcpy(tensor.data_ptr(), bytes, array.ByteLength());
  tensor = tensor.to(device, dtype);
  if (requires_grad) tensor.set_requires_grad(true);
  return wrap_tensor(info.Env(), tensor);
}

template <typename Array>
Napi::Value copy_out(Napi::Env env, const torch::Tensor& tensor) {
  auto array = new_array<Array>(env, static_cast<size_t>(tensor.numel()));
  if (tensor.numel() > 0) std::memcpy(array.Data(), tensor.const_data_ptr(), tensor.nbytes());
  return array;
}

// tensorData(handle) → a contiguous copy on the CPU
Napi::Value tensor_data(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const at::AutoGradMode no_grad(false);
  auto tensor = unwrap_tensor(info[0]).detach().to(torch::kCPU);
  if (tensor.scalar_type() == torch::kHalf || tensor.scalar_type() == torch::kBFloat16) tensor = tensor.to(torch::kFloat32);
  tensor = tensor.contiguous();
  switch (tensor.scalar_type()) {
    case torch::kFloat32: return copy_out<Napi::Float32Array>(env, tensor);
    case torch::kFloat64: return copy_out<Napi::Float64Array>(env, tensor);
    case torch::kInt64: return copy_out<Napi::BigInt64Array>(env, tensor);
    case torch::kInt32: return copy_out<Napi::Int32Array>(env, tensor);
    case torch::kInt16: return copy_out<Napi::Int16Array>(env, tensor);
    case torch::kInt8: return copy_out<Napi::Int8Array>(env, tensor);
    case torch::kUInt8:
    case torch::kBool: return copy_out<Napi::Uint8Array>(env, tensor);
    default: throw error(ErrorKind::Binding, "cannot read a tensor of type ", dtype_name(tensor.scalar_type()), " from JavaScript");
  }
}

// tensorItem(handle) → number
Napi::Value tensor_item(const Napi::CallbackInfo& info) {
  const auto& tensor = unwrap_tensor(info[0]);
  if (tensor.numel() != 1) throw error(ErrorKind::Shape, "item() expects one element but the tensor has shape ", tensor.sizes());
  return Napi::Number::New(info.Env(), tensor.item().toDouble());
}

// tensorInfo(handle) → {shape, dtype, device, requiresGrad}
Napi::Value tensor_info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto& tensor = unwrap_tensor(info[0]);
  auto object = Napi::Object::New(env);
  object.Set("shape", from_shape(env, tensor.sizes()));
  object.Set("dtype", dtype_name(tensor.scalar_type()));
  object.Set("device", device_name(tensor.device()));
  return object;
}

Napi::Value tensor_requires_grad(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), unwrap_tensor(info[0]).requires_grad());
}

Napi::Value tensor_dispose(const Napi::CallbackInfo& info) {
  dispose_tensor(info[0]);
  return info.Env().Undefined();
}

Napi::Value tensor_grad(const Napi::CallbackInfo& info) { return wrap_tensor(info.Env(), unwrap_tensor(info[0]).grad()); }

Napi::Value tensor_detach(const Napi::CallbackInfo& info) { return wrap_tensor(info.Env(), unwrap_tensor(info[0]).detach()); }

// tensorTo(handle, dtype | null, device | null, mode)
Napi::Value tensor_to(const Napi::CallbackInfo& info) {
  const ModeGuard guard(to_mode(info[3]));
  auto tensor = unwrap_tensor(info[0]);
  if (!info[1].IsNull()) tensor = tensor.to(parse_dtype(to_string(info[1], "dtype")));
  if (!info[2].IsNull()) tensor = tensor.to(parse_device(to_string(info[2], "device")));
  return wrap_tensor(info.Env(), tensor);
}

// tensorCopy(target, source, mode): into the target's memory, which every view of it sees
Napi::Value tensor_copy(const Napi::CallbackInfo& info) {
  const ModeGuard guard(to_mode(info[2]) & ~kModeGrad);
  auto target = unwrap_tensor(info[0], "target");
  target.copy_(unwrap_tensor(info[1], "source"));
  return info.Env().Undefined();
}

// tensorAddress(handle) → number
Napi::Value tensor_address(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(reinterpret_cast<uintptr_t>(unwrap_tensor(info[0]).const_data_ptr())));
}

void run_backward(const torch::Tensor& root, const torch::Tensor& gradient) {
  if (!root.requires_grad())
    throw error(ErrorKind::Binding, "backward: the tensor does not depend on anything that requires a gradient");
  if (!gradient.defined() && root.numel() != 1)
    throw error(ErrorKind::Shape, "backward: expected a scalar, or a gradient of the same shape, for a tensor of shape ", root.sizes());
  torch::autograd::backward({root}, gradient.defined() ? std::vector<torch::Tensor>{gradient} : std::vector<torch::Tensor>{});
}

torch::Tensor optional_gradient(const Napi::Value& value) {
  return value.IsNull() || value.IsUndefined() ? torch::Tensor() : unwrap_tensor(value, "gradient");
}

// tensorBackward(handle, gradient | null): on the calling thread
Napi::Value tensor_backward(const Napi::CallbackInfo& info) {
  run_backward(unwrap_tensor(info[0]), optional_gradient(info[1]));
  return info.Env().Undefined();
}

// backwardAsync(handle, gradient | null, mode) → Promise<void>: on the engine thread, and its stream; without autocast
Napi::Value backward_async(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).engine.submit(
      info.Env(), kModeGrad | (to_mode(info[2]) & kModeSide),
      [root = unwrap_tensor(info[0], "loss"), gradient = optional_gradient(info[1])]() mutable {
        run_backward(root, gradient);
        root.reset();  // the graph is freed here and not on the JavaScript thread
        return [](Napi::Env env) { return env.Undefined(); };
      });
}

Napi::Value live_tensors(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(*Environment::of(info.Env()).live_tensors));
}

Napi::Value is_tensor_handle(const Napi::CallbackInfo& info) { return Napi::Boolean::New(info.Env(), is_tensor(info[0])); }

}  // namespace

void register_tensor(Napi::Env env, Napi::Object exports) {
  export_function<tensor_from>(env, exports, "tensorFrom");
  export_function<tensor_data>(env, exports, "tensorData");
  export_function<tensor_item>(env, exports, "tensorItem");
  export_function<tensor_info>(env, exports, "tensorInfo");
  export_function<tensor_requires_grad>(env, exports, "tensorRequiresGrad");
  export_function<tensor_dispose>(env, exports, "tensorDispose");
  export_function<tensor_grad>(env, exports, "tensorGrad");
  export_function<tensor_detach>(env, exports, "tensorDetach");
  export_function<tensor_to>(env, exports, "tensorTo");
  export_function<tensor_copy>(env, exports, "tensorCopy");
  export_function<tensor_address>(env, exports, "tensorAddress");
  export_function<tensor_backward>(env, exports, "tensorBackward");
  export_function<backward_async>(env, exports, "backward");
  export_function<live_tensors>(env, exports, "liveTensors");
  export_function<is_tensor_handle>(env, exports, "isTensor");
}

}  // namespace trivium::bindings
