// Any ATen operator from JavaScript: arguments are converted by the operator's own schema, so that one function serves them all.
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <c10/core/ScalarTypeToTypeMeta.h>

#include <cmath>

#include "bindings/convert.h"
#include "bindings/errors.h"
#include "bindings/register.h"
#include "core/device.h"
#include "core/error.h"
#include "dispatch/operator.h"

namespace trivium::bindings {
namespace {

using c10::IValue;
using c10::TypeKind;

bool absent(const Napi::Value& value) { return value.IsUndefined() || value.IsNull(); }

int64_t to_integer(const Napi::Value& value, const std::string& what) {
  if (value.IsBigInt()) {
    bool lossless = true;
    const int64_t number = value.As<Napi::BigInt>().Int64Value(&lossless);
    if (!lossless) throw error(ErrorKind::Binding, what, ": expected a 64-bit integer");
    return number;
  }
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number == std::floor(number) && std::abs(number) <= 9007199254740992.0) return static_cast<int64_t>(number);
    throw error(ErrorKind::Binding, what, ": expected an integer but got ", number);
  }
  throw error(ErrorKind::Binding, what, ": expected an integer");
}

double to_double(const Napi::Value& value, const std::string& what) {
  if (!value.IsNumber()) throw error(ErrorKind::Binding, what, ": expected a number");
  return value.As<Napi::Number>().DoubleValue();
}

// JavaScript has one number type: a whole number becomes an integer scalar, which promotes like Python's int.
at::Scalar to_scalar(const Napi::Value& value, const std::string& what) {
  if (value.IsBoolean()) return at::Scalar(static_cast<bool>(value.As<Napi::Boolean>()));
  if (value.IsBigInt()) return at::Scalar(to_integer(value, what));
  const double number = to_double(value, what);
  if (number == std::floor(number) && std::abs(number) <= 9007199254740992.0) return at::Scalar(static_cast<int64_t>(number));
  return at::Scalar(number);
}

at::Tensor to_tensor_argument(const Napi::Value& value, const std::string& what) {
  if (value.IsNumber() || value.IsBoolean()) {
    auto tensor = c10::scalar_to_tensor(to_scalar(value, what));
    tensor.unsafeGetTensorImpl()->set_wrapped_number(true);  // promotes like a Python number, not like a tensor
    return tensor;
  }
  return unwrap_tensor(value, what.c_str());
}

int64_t to_memory_format(const Napi::Value& value, const std::string& what) {
  const std::string name = to_string(value, what.c_str());
  if (name == "contiguous") return static_cast<int64_t>(at::MemoryFormat::Contiguous);
  if (name == "preserve") return static_cast<int64_t>(at::MemoryFormat::Preserve);
  if (name == "channels_last") return static_cast<int64_t>(at::MemoryFormat::ChannelsLast);
  throw error(ErrorKind::Binding, what, ": expected \"contiguous\", \"preserve\" or \"channels_last\" but got \"", name, "\"");
}

template <typename Element, typename Convert>
c10::List<Element> to_list(const Napi::Value& value, std::optional<int32_t> fixed, Convert convert, const std::string& what) {
  c10::List<Element> list;
  if (!value.IsArray()) {
    if (!fixed) throw error(ErrorKind::Binding, what, ": expected an array");
    for (int32_t i = 0; i < *fixed; i++) list.push_back(convert(value));  // int[2] stride accepts one number
    return list;
  }
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) list.push_back(convert(array.Get(i)));
  return list;
}

IValue to_ivalue(const Napi::Value& value, const c10::Type& type, std::optional<int32_t> fixed, const std::string& what) {
  switch (type.kind()) {
    case TypeKind::OptionalType:
      return absent(value) ? IValue() : to_ivalue(value, *type.castRaw<c10::OptionalType>()->getElementType(), fixed, what);
    case TypeKind::TensorType: return to_tensor_argument(value, what);
    case TypeKind::NumberType: return to_scalar(value, what);
    case TypeKind::FloatType: return to_double(value, what);
    case TypeKind::IntType:
    case TypeKind::SymIntType: return to_integer(value, what);
    case TypeKind::BoolType:
      if (!value.IsBoolean()) throw error(ErrorKind::Binding, what, ": expected true or false");
      return static_cast<bool>(value.As<Napi::Boolean>());
    case TypeKind::StringType: return to_string(value, what.c_str());
    case TypeKind::ScalarTypeType: return static_cast<int64_t>(parse_dtype(to_string(value, what.c_str())));
    case TypeKind::MemoryFormatType: return to_memory_format(value, what);
    case TypeKind::LayoutType: return static_cast<int64_t>(at::Layout::Strided);
    case TypeKind::DeviceObjType: return parse_device(to_string(value, what.c_str()));
    case TypeKind::ListType: {
      const auto& element = *type.castRaw<c10::ListType>()->getElementType();
      switch (element.kind()) {
        case TypeKind::IntType:
        case TypeKind::SymIntType: return to_list<int64_t>(value, fixed, [&](const Napi::Value& v) { return to_integer(v, what); }, what);
        case TypeKind::FloatType: return to_list<double>(value, fixed, [&](const Napi::Value& v) { return to_double(v, what); }, what);
        case TypeKind::BoolType:
          return to_list<bool>(value, fixed, [&](const Napi::Value& v) { return static_cast<bool>(v.ToBoolean()); }, what);
        case TypeKind::NumberType: return to_list<at::Scalar>(value, fixed, [&](const Napi::Value& v) { return to_scalar(v, what); }, what);
        case TypeKind::TensorType:
          return to_list<at::Tensor>(value, fixed, [&](const Napi::Value& v) { return unwrap_tensor(v, what.c_str()); }, what);
        case TypeKind::OptionalType:
          return to_list<std::optional<at::Tensor>>(
              value, fixed,
              [&](const Napi::Value& v) { return absent(v) ? std::nullopt : std::optional<at::Tensor>(unwrap_tensor(v, what.c_str())); },
              what);
        default: break;
      }
      break;
    }
    default: break;
  }
  throw error(ErrorKind::Binding, what, ": arguments of type ", type.str(), " cannot be passed from JavaScript");
}

Napi::Value from_ivalue(Napi::Env env, const IValue& value) {
  if (value.isNone()) return env.Null();
  if (value.isTensor()) return wrap_tensor(env, value.toTensor());
  if (value.isBool()) return Napi::Boolean::New(env, value.toBool());
  if (value.isInt()) return Napi::Number::New(env, static_cast<double>(value.toInt()));
  if (value.isDouble()) return Napi::Number::New(env, value.toDouble());
  if (value.isScalar()) return Napi::Number::New(env, value.toScalar().toDouble());
  if (value.isString()) return Napi::String::New(env, value.toStringRef());
  const auto elements = value.isTuple() ? value.toTupleRef().elements().vec() : value.toListRef().vec();
  auto array = Napi::Array::New(env, elements.size());
  for (uint32_t i = 0; i < elements.size(); i++) array.Set(i, from_ivalue(env, elements[i]));
  return array;
}

// resolveOperator("aten::add.Tensor") → handle
Napi::Value resolve_operator(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(dispatch::resolve(to_string(info[0], "operator name"))));
}

// callOperator(handle, mode, positional[], keywords | null)
Napi::Value call_operator(const Napi::CallbackInfo& info) {
  const auto handle = static_cast<size_t>(info[0].As<Napi::Number>().Int64Value());
  const Mode mode = to_mode(info[1]);
  const auto positional = info[2].As<Napi::Array>();
  const bool has_keywords = !absent(info[3]);
  const auto& schema = dispatch::schema(handle);
  const auto& arguments = schema.arguments();
  const uint32_t given = positional.Length();
  const auto name = [&] { return schema.operator_name().name + (schema.overload_name().empty() ? "" : "." + schema.overload_name()); };
  if (given > arguments.size())
    throw error(ErrorKind::Binding, name(), " takes at most ", arguments.size(), " arguments but got ", given, ". Its schema: ", schema);

  torch::jit::Stack stack;
  stack.reserve(arguments.size());
  uint32_t keywords_used = 0;
  for (uint32_t i = 0; i < arguments.size(); i++) {
    const auto& argument = arguments[i];
    Napi::Value value = i < given ? positional.Get(i) : info.Env().Undefined();
    if (has_keywords) {
      const auto keywords = info[3].As<Napi::Object>();
      if (keywords.HasOwnProperty(argument.name())) {
        if (i < given) throw error(ErrorKind::Binding, name(), ": \"", argument.name(), "\" was given twice");
        value = keywords.Get(argument.name());
        keywords_used++;
      }
    }
    if (value.IsUndefined() && argument.default_value()) {
      stack.push_back(*argument.default_value());
    } else if (value.IsUndefined() && argument.type()->kind() != TypeKind::OptionalType) {
      throw error(ErrorKind::Binding, name(), ": missing argument \"", argument.name(), "\". Its schema: ", schema);
    } else {
      stack.push_back(to_ivalue(value, *argument.real_type(), argument.N(), name() + ": " + argument.name()));
    }
  }
  if (has_keywords && keywords_used < info[3].As<Napi::Object>().GetPropertyNames().Length())
    throw error(ErrorKind::Binding, name(), ": unknown keyword argument. Its schema: ", schema);

  {
    const ModeGuard guard(mode);
    try {
      dispatch::call(handle, stack);
    } catch (...) {
      const auto failure = describe(std::current_exception());
      throw Error(failure.kind, name() + ": " + failure.message);
    }
  }
  if (stack.empty()) return info.Env().Undefined();
  if (stack.size() == 1) return from_ivalue(info.Env(), stack[0]);
  auto results = Napi::Array::New(info.Env(), stack.size());
  for (uint32_t i = 0; i < stack.size(); i++) results.Set(i, from_ivalue(info.Env(), stack[i]));
  return results;
}

// operatorSchema("aten::add.Tensor") → its schema as text
Napi::Value operator_schema(const Napi::CallbackInfo& info) {
  std::ostringstream text;
  text << dispatch::schema(dispatch::resolve(to_string(info[0], "operator name")));
  return Napi::String::New(info.Env(), text.str());
}

Napi::Value operator_names(const Napi::CallbackInfo& info) {
  const auto names = dispatch::names();
  auto array = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); i++) array.Set(i, names[i]);
  return array;
}

}  // namespace

void register_operators(Napi::Env env, Napi::Object exports) {
  export_function<resolve_operator>(env, exports, "resolveOperator");
  export_function<call_operator>(env, exports, "callOperator");
  export_function<operator_schema>(env, exports, "operatorSchema");
  export_function<operator_names>(env, exports, "operatorNames");
}

}  // namespace trivium::bindings
