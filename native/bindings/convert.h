// JavaScript values ↔ C++ values.
#pragma once

#include <napi.h>
#include <torch/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/mode.h"
#include "core/options.h"

namespace trivium::bindings {

/// A tensor handle: a type-tagged external that accounts its bytes to V8 and is counted by liveTensors().
Napi::Value wrap_tensor(Napi::Env env, torch::Tensor tensor);

/// Throws BindingError when `value` is not a tensor handle, or its tensor was disposed. `what` names it in the message.
const torch::Tensor& unwrap_tensor(const Napi::Value& value, const char* what = "tensor");
bool is_tensor(const Napi::Value& value);

/// Frees the tensor now. A second call does nothing.
void dispose_tensor(const Napi::Value& value);

std::string to_string(const Napi::Value& value, const char* what);
std::vector<int64_t> to_shape(const Napi::Value& value, const char* what);
std::vector<double> to_numbers(const Napi::Value& value, const char* what);
std::vector<torch::Tensor> to_tensors(const Napi::Value& value, const char* what);
Mode to_mode(const Napi::Value& value);

/// [[name, handle], …] in order, as named state travels both ways.
using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;
NamedTensors to_named_tensors(const Napi::Value& value, const char* what);
Napi::Array from_named_tensors(Napi::Env env, const NamedTensors& tensors);

/// {key: boolean | number | string | number[]}.
Options to_options(const std::string& owner, const Napi::Value& value);
std::map<std::string, std::string> to_string_map(const Napi::Value& value, const char* what);

Napi::Array from_shape(Napi::Env env, at::IntArrayRef shape);

}  // namespace trivium::bindings
