#include "snapshot/stored_tensors.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <bit>

#include "core/error.h"
#include "snapshot/input_file.h"

namespace trivium::snapshot {
namespace {

static_assert(std::endian::native == std::endian::little, "stored data is little-endian and copied as it is");

// JavaScript's largest exact integer.
constexpr uint64_t kMaxInteger = (uint64_t{1} << 53) - 1;
constexpr size_t kMaxDimensions = 64;
// Small tensors may be views of less than themselves: a scalar expanded to a row.
constexpr uint64_t kFreeBytes = uint64_t{1} << 20;

[[noreturn]] void damaged(const std::string& path, const std::string& reason) {
  throw error(ErrorKind::Snapshot, path, ": ", reason, ". The file is damaged; copy or download it again.");
}

void check(const StoredTensor& tensor, const std::vector<StoredBytes>& storages, uint64_t file_size, const std::string& path) {
  const auto fail = [&](const char* reason) { damaged(path, "\"" + tensor.name + "\" " + reason); };
  const uint64_t item = c10::elementSize(tensor.dtype);
  if (tensor.storage >= storages.size()) fail("has no storage");
  if (tensor.shape.size() != tensor.strides.size() || tensor.shape.size() > kMaxDimensions) fail("has a shape that its strides do not fit");
  if (tensor.first < 0 || static_cast<uint64_t>(tensor.first) > kMaxInteger) fail("begins outside its storage");
  uint64_t count = 1, last = static_cast<uint64_t>(tensor.first);
  bool empty = false;
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] < 0 || tensor.strides[i] < 0) fail("has a negative size or stride");
    const auto size = static_cast<uint64_t>(tensor.shape[i]), stride = static_cast<uint64_t>(tensor.strides[i]);
    if (size == 0) {
      empty = true;
      continue;
    }
    if (size > kMaxInteger / count) fail("has a shape that is too large");
    count *= size;
    if (stride > 0 && size - 1 > (kMaxInteger - last) / stride) fail("lies outside its storage");
    last += (size - 1) * stride;
  }
  const uint64_t elements = storages[tensor.storage].bytes / item;
  if (!empty && last >= elements) fail("lies outside its storage");
  if (!empty && count > std::max(file_size, kFreeBytes) / item) fail("claims to be larger than the file");
}

}  // namespace

void check_booleans(const torch::Tensor& tensor, const std::string& name, const std::string& path) {
  const auto* bytes = static_cast<const uint8_t*>(tensor.const_data_ptr());
  const bool valid = std::all_of(bytes, bytes + tensor.numel(), [](uint8_t value) { return value <= 1; });
  if (!valid) damaged(path, "boolean tensor \"" + name + "\" holds a byte other than 0 and 1");
}

NamedTensors load_stored_tensors(const std::string& path, const std::vector<StoredBytes>& storages, const std::vector<StoredTensor>& tensors) {
  const InputFile file(path, "a checkpoint");
  for (const auto& [offset, bytes] : storages) {
    if (offset > file.size() || bytes > file.size() - offset) damaged(path, "tensor data lies beyond its end");
  }
  for (const auto& tensor : tensors) check(tensor, storages, file.size(), path);
  try {
    std::vector<torch::Tensor> loaded(storages.size());  // as bytes; only those that a tensor uses
    NamedTensors result;
    result.reserve(tensors.size());
    for (const auto& tensor : tensors) {
      auto& raw = loaded[tensor.storage];
      const auto& place = storages[tensor.storage];
      if (!raw.defined()) {
        raw = at::empty({static_cast<int64_t>(place.bytes)}, at::kByte);
        if (place.bytes > 0) file.read(raw.mutable_data_ptr(), place.bytes, place.offset);
      }
      if (tensor.dtype == at::kBool) check_booleans(raw, tensor.name, path);
      auto view = at::empty({0}, at::TensorOptions().dtype(tensor.dtype));
      view.set_(raw.storage(), tensor.first, tensor.shape, tensor.strides);
      result.emplace_back(tensor.name, std::move(view));
    }
    return result;
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& cause) {  // an allocation that does not fit into memory
    throw error(ErrorKind::Snapshot, path, ": cannot be loaded: ", cause.what_without_backtrace());
  } catch (const std::exception& cause) {
    throw error(ErrorKind::Snapshot, path, ": cannot be loaded: ", cause.what());
  }
}

}  // namespace trivium::snapshot
