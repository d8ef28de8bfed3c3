// The safetensors format: 8-byte little-endian header length, JSON header, raw tensors.
#pragma once

#include <torch/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace trivium::snapshot {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

struct SafetensorsFile {
  NamedTensors tensors;  // CPU, in file order of their data
  std::map<std::string, std::string> metadata;
};

/// Strict reader: header ≤ 100 MB, fatal UTF-8, known dtypes, exact byte counts, no holes or overlaps, whole file covered.
/// Throws SnapshotError with path and reason; never crashes on any bytes.
SafetensorsFile load_safetensors(const std::string& path);

/// Writes `path` (created or truncated) and fsyncs it. Tensors may be on any device and in any layout; they are stored contiguous,
/// in the order given. Throws SnapshotError with path, errno text and the bytes needed (ENOSPC) and removes the partial file.
void save_safetensors(const std::string& path, const NamedTensors& tensors, const std::map<std::string, std::string>& metadata);

}  // namespace trivium::snapshot
