// A regular file open for reading at any place.
#pragma once

#include <cstdint>
#include <string>

namespace trivium::snapshot {

class InputFile {
 public:
  /// Throws SnapshotError with `path` when it cannot be opened or is no regular file. `kind` says what was expected: "a safetensors file".
  InputFile(const std::string& path, const char* kind);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }

  /// Throws SnapshotError when the bytes are not all there. pread, not mmap: a file truncated by somebody else while we read must give an
  /// error, not a bus error.
  void read(void* target, uint64_t bytes, uint64_t offset) const;

 private:
  const std::string path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

}  // namespace trivium::snapshot
