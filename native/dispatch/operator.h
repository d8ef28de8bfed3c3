// Any public ATen operator by name: resolved once, called boxed with a stack of values.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <string>
#include <vector>

namespace trivium::dispatch {

/// "aten::add.Tensor" (overload after the dot; none for "aten::relu"). A handle stays valid for the life of the process; equal
/// names give equal handles. Throws BindingError, listing the overloads that exist, for a name LibTorch does not have.
size_t resolve(const std::string& name);

const c10::FunctionSchema& schema(size_t handle);

/// Runs the operator; `stack` holds its arguments before and its results after.
void call(size_t handle, torch::jit::Stack& stack);

/// Every operator name that starts with "aten::", sorted.
std::vector<std::string> names();

}  // namespace trivium::dispatch
