#include "snapshot/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace trivium::snapshot {
namespace {

// Linux transfers at most 0x7ffff000 bytes a call; smaller pieces cost nothing.
constexpr uint64_t kPiece = uint64_t{1} << 28;

}  // namespace

// O_NONBLOCK: opening a named pipe must not wait for a writer.
InputFile::InputFile(const std::string& path, const char* kind)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) throw error(ErrorKind::Snapshot, path, ": cannot be opened: ", std::strerror(errno), ".");
  struct stat status{};
  const bool known = ::fstat(descriptor_, &status) == 0;
  const int reason = errno;
  if (known && S_ISREG(status.st_mode)) {
    size_ = static_cast<uint64_t>(status.st_size);
    return;
  }
  ::close(descriptor_);  // a constructor that throws runs no destructor
  if (!known) throw error(ErrorKind::Snapshot, path, ": cannot be examined: ", std::strerror(reason), ".");
  throw error(ErrorKind::Snapshot, path, ": expected ", kind, ", but it is not a regular file.");
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(void* target, uint64_t bytes, uint64_t offset) const {
  char* out = static_cast<char*>(target);
  while (bytes > 0) {
    const ssize_t got = ::pread(descriptor_, out, std::min<uint64_t>(bytes, kPiece), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw error(ErrorKind::Snapshot, path_, ": cannot read at byte ", offset, ": ", std::strerror(errno), ".");
    if (got == 0) throw error(ErrorKind::Snapshot, path_, ": the file ended at byte ", offset, " while it was read; is it being written?");
    out += got;
    offset += static_cast<uint64_t>(got);
    bytes -= static_cast<uint64_t>(got);
  }
}

}  // namespace trivium::snapshot
