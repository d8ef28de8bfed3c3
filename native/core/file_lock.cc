#include "core/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace trivium {

std::unique_ptr<FileLock> FileLock::try_acquire(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) throw error(ErrorKind::Binding, "cannot open the lock file ", path, ": ", std::strerror(errno));
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    const int reason = errno;
    ::close(descriptor);
    if (reason == EWOULDBLOCK) return nullptr;
    throw error(ErrorKind::Binding, "cannot lock ", path, ": ", std::strerror(reason));
  }
  return std::unique_ptr<FileLock>(new FileLock(descriptor));
}

FileLock::~FileLock() { ::close(descriptor_); }

}  // namespace trivium
