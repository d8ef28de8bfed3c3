#include "core/device.h"

#include <array>
#include <utility>

#include <torch/cuda.h>

#include "core/error.h"

namespace trivium {
namespace {

constexpr std::array<std::pair<const char*, torch::ScalarType>, 10> kDtypes{{{"float32", torch::kFloat32},
                                                                             {"float64", torch::kFloat64},
                                                                             {"float16", torch::kFloat16},
                                                                             {"bfloat16", torch::kBFloat16},
                                                                             {"int64", torch::kInt64},
                                                                             {"int32", torch::kInt32},
                                                                             {"int16", torch::kInt16},
                                                                             {"int8", torch::kInt8},
                                                                             {"uint8", torch::kUInt8},
                                                                             {"bool", torch::kBool}}};

}  // namespace

torch::Device parse_device(const std::string& name) {
  if (name == "cpu") return torch::kCPU;
  const bool cuda = name == "cuda" || (name.rfind("cuda:", 0) == 0 && name.size() > 5 && name.size() <= 8 &&
                                       name.find_first_not_of("0123456789", 5) == std::string::npos);
  if (!cuda) throw error(ErrorKind::Config, "device: expected \"cpu\", \"cuda\" or \"cuda:<index>\" but got \"", name, "\"");
  const int64_t index = name == "cuda" ? 0 : std::stol(name.substr(5));
  const int64_t count = torch::cuda::is_available() ? static_cast<int64_t>(torch::cuda::device_count()) : 0;
  if (index >= count)
    throw error(ErrorKind::Config, "device: \"", name, "\" was asked for but ", count,
                " CUDA devices are usable with this LibTorch. Use device: cpu, or build against a CUDA LibTorch on a machine with a GPU");
  return torch::Device(torch::kCUDA, static_cast<torch::DeviceIndex>(index));
}

torch::ScalarType parse_dtype(const std::string& name) {
  std::string known;
  for (const auto& [label, dtype] : kDtypes) {
    if (name == label) return dtype;
    known += known.empty() ? label : std::string(", ") + label;
  }
  throw error(ErrorKind::Config, "dtype: expected one of ", known, " but got \"", name, "\"");
}

std::string dtype_name(torch::ScalarType dtype) {
  for (const auto& [label, known] : kDtypes)
    if (dtype == known) return label;
  return c10::toString(dtype);
}

std::string device_name(const torch::Device& device) { return device.str(); }

}  // namespace trivium
