#include "snapshot/safetensors.h"

#include <fcntl.h>
#include <unistd.h>

#include <ATen/Functions.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "core/error.h"
#include "snapshot/input_file.h"
#include "snapshot/safetensors_header.h"
#include "snapshot/stored_tensors.h"

namespace trivium::snapshot {
namespace {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian and copied as it is");

// Linux transfers at most 0x7ffff000 bytes a call; smaller pieces cost nothing.
constexpr size_t kPiece = size_t{1} << 28;

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }
  int release() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

std::string reason(int number) { return std::strerror(number); }

SafetensorsFile read_file(const InputFile& input) {
  const auto& path = input.path();
  const uint64_t size = input.size();
  if (size < 8) {
    throw error(ErrorKind::Snapshot, path, ": expected a safetensors file of at least 8 bytes, but it has ", size,
                ". It was cut off; copy or write it again.");
  }
  unsigned char length_bytes[8];
  input.read(length_bytes, sizeof length_bytes, 0);
  uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) header_bytes = (header_bytes << 8) | length_bytes[i];
  if (header_bytes > kMaxHeaderBytes || header_bytes > size - 8) {
    throw error(ErrorKind::Snapshot, path, ": expected a safetensors file, but its header claims ", header_bytes, " bytes (file: ", size,
                ", limit: ", kMaxHeaderBytes, "). The file is damaged or of another format; copy or write it again.");
  }
  std::string json(header_bytes, '\0');
  input.read(json.data(), header_bytes, 8);
  SafetensorsHeader header = parse_safetensors_header(json, size - 8 - header_bytes, path);

  SafetensorsFile file;
  file.metadata = std::move(header.metadata);
  file.tensors.reserve(header.tensors.size());
  for (auto& entry : header.tensors) {
    torch::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.dtype));
    if (entry.end > entry.begin) {
      input.read(tensor.mutable_data_ptr(), entry.end - entry.begin, 8 + header_bytes + entry.begin);
      if (entry.dtype == at::kBool) check_booleans(tensor, entry.name, path);
    }
    file.tensors.emplace_back(std::move(entry.name), std::move(tensor));
  }
  return file;
}

std::vector<TensorEntry> lay_out(const NamedTensors& tensors, const std::string& path) {
  std::vector<TensorEntry> entries;
  std::set<std::string> names;
  uint64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    if (name == "__metadata__" || !is_valid_utf8(name) || !names.insert(name).second) {
      throw error(ErrorKind::Snapshot, path, ": cannot store a tensor named \"", name, "\": names must be unique UTF-8 and not \"__metadata__\".");
    }
    if (!tensor.defined() || tensor.layout() != at::kStrided || tensor.is_quantized() || safetensors_dtype(tensor.scalar_type()) == nullptr) {
      throw error(ErrorKind::Snapshot, path, ": cannot store \"", name, "\": expected a dense tensor of a type safetensors knows, but got ",
                  tensor.defined() ? c10::toString(tensor.scalar_type()) : "an undefined tensor", ".");
    }
    const uint64_t bytes = static_cast<uint64_t>(tensor.numel()) * tensor.element_size();
    entries.push_back({name, tensor.scalar_type(), tensor.sizes().vec(), at, at + bytes});
    at += bytes;
  }
  return entries;
}

/// A file that is removed again unless it was finished.
class Output {
 public:
  Output(const std::string& path, uint64_t total) : path_(path), total_(total), file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (file_.get() < 0) throw error(ErrorKind::Snapshot, path, ": cannot be created: ", reason(errno), ".");
  }
  ~Output() {
    if (!finished_ && file_.get() >= 0) ::unlink(path_.c_str());
  }

  void write(const void* source, uint64_t bytes) {
    const char* from = static_cast<const char*>(source);
    while (bytes > 0) {
      const ssize_t put = ::write(file_.get(), from, std::min<uint64_t>(bytes, kPiece));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) fail(put < 0 ? errno : ENOSPC);
      from += put;
      bytes -= static_cast<uint64_t>(put);
    }
  }

  void finish() {
    if (::fsync(file_.get()) != 0) fail(errno);
    // close() may report a delayed write error (quota, network file systems).
    if (::close(file_.release()) != 0) {
      const int number = errno;
      ::unlink(path_.c_str());
      fail(number);
    }
    finished_ = true;
  }

 private:
  [[noreturn]] void fail(int number) const {
    throw error(ErrorKind::Snapshot, path_, ": cannot be written: ", reason(number), ". It needs ", total_,
                " bytes; free space or choose another folder. The partial file was removed.");
  }

  const std::string path_;
  const uint64_t total_;
  File file_;
  bool finished_ = false;
};

}  // namespace

SafetensorsFile load_safetensors(const std::string& path) {
  const InputFile file(path, "a safetensors file");
  try {
    return read_file(file);
  } catch (const Error&) {
    throw;
  } catch (const c10::Error& cause) {  // an allocation that does not fit into memory
    throw error(ErrorKind::Snapshot, path, ": cannot be loaded: ", cause.what_without_backtrace());
  } catch (const std::exception& cause) {
    throw error(ErrorKind::Snapshot, path, ": cannot be loaded: ", cause.what());
  }
}

void save_safetensors(const std::string& path, const NamedTensors& tensors, const std::map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : metadata) {
    if (!is_valid_utf8(key) || !is_valid_utf8(value)) throw error(ErrorKind::Snapshot, path, ": metadata \"", key, "\" is not UTF-8.");
  }
  const std::vector<TensorEntry> entries = lay_out(tensors, path);
  const std::string header = format_safetensors_header(entries, metadata);
  if (header.size() > kMaxHeaderBytes) {
    throw error(ErrorKind::Snapshot, path, ": the header would have ", header.size(), " bytes, the format allows ", kMaxHeaderBytes, ".");
  }
  unsigned char length_bytes[8];
  for (int i = 0; i < 8; ++i) length_bytes[i] = static_cast<unsigned char>(header.size() >> (8 * i));

  Output output(path, 8 + header.size() + (entries.empty() ? 0 : entries.back().end));
  output.write(length_bytes, sizeof length_bytes);
  output.write(header.data(), header.size());
  for (const auto& [name, tensor] : tensors) {
    // One tensor at a time: the copy of a device tensor lives only while it is written.
    const torch::Tensor plain = tensor.detach().to(at::kCPU).contiguous().resolve_conj().resolve_neg();
    if (plain.numel() > 0) output.write(plain.const_data_ptr(), plain.nbytes());
  }
  output.finish();
}

}  // namespace trivium::snapshot
