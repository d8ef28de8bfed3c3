// An advisory lock that the kernel frees when its holder dies (flock): it is never stale and never stolen from the living.
#pragma once

#include <memory>
#include <string>

namespace trivium {

class FileLock {
 public:
  /// Creates `path` if needed. Null when another process (or another FileLock of this one) holds it.
  /// Throws BindingError when the file cannot be opened.
  static std::unique_ptr<FileLock> try_acquire(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

}  // namespace trivium
