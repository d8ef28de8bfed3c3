// The JSON header of a safetensors file: parsed and checked without touching a tensor.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace trivium::snapshot {

/// 100 MB, the limit of the reference implementation.
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

struct TensorEntry {
  std::string name;
  c10::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes, counted from the first byte after the header
};

struct SafetensorsHeader {
  std::vector<TensorEntry> tensors;  // by `begin`; together they cover [0, data_bytes) without hole or overlap
  std::map<std::string, std::string> metadata;
};

/// Reads exactly the grammar of the format (an object of tensor entries and "__metadata__"), nothing more of JSON.
/// Throws SnapshotError with the reason, the offset in the header and `path`.
SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes, const std::string& path);

/// Entries laid out in the order given; the text is padded with spaces so that the data starts at a multiple of 8 bytes.
std::string format_safetensors_header(const std::vector<TensorEntry>& tensors, const std::map<std::string, std::string>& metadata);

/// "F32" for at::kFloat and so on; nullptr for a type the format does not know.
const char* safetensors_dtype(c10::ScalarType dtype);

bool is_valid_utf8(std::string_view text);

}  // namespace trivium::snapshot
