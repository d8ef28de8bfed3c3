// Tensors that lie at known places of a file, whatever its format: what a reader of PyTorch's checkpoints found out in TypeScript.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <vector>

#include "snapshot/safetensors.h"

namespace trivium::snapshot {

/// A run of bytes of the file. Several tensors may be views of one.
struct StoredBytes {
  uint64_t offset = 0, bytes = 0;
};

struct StoredTensor {
  std::string name;
  c10::ScalarType dtype;
  size_t storage = 0;  // index of its StoredBytes
  int64_t first = 0;   // element of the storage at which it begins
  std::vector<int64_t> shape, strides;  // strides in elements, 0 or more
};

/// Reads each run of bytes straight into the memory that its tensors keep. Every number is checked before anything is allocated: runs lie
/// inside the file, tensors inside their run, and none is larger than the file (strides of 0 could claim any size).
/// Throws SnapshotError with path and reason.
NamedTensors load_stored_tensors(const std::string& path, const std::vector<StoredBytes>& storages, const std::vector<StoredTensor>& tensors);

/// Throws SnapshotError when a boolean tensor's memory holds another byte than 0 and 1, which is undefined behaviour to read.
void check_booleans(const torch::Tensor& tensor, const std::string& name, const std::string& path);

}  // namespace trivium::snapshot
