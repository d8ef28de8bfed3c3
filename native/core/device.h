// Devices and element types by the names users write: "cpu", "cuda", "cuda:1"; "float32", "bfloat16", …
#pragma once

#include <torch/types.h>

#include <string>

namespace trivium {

/// Throws ConfigError for a name that is not a device, or CUDA where this LibTorch or machine has none.
torch::Device parse_device(const std::string& name);

/// Throws ConfigError listing the known names.
torch::ScalarType parse_dtype(const std::string& name);
std::string dtype_name(torch::ScalarType dtype);

/// "cpu" or "cuda:N".
std::string device_name(const torch::Device& device);

}  // namespace trivium
