#include "data/packed_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "augment/resize.h"
#include "core/error.h"
#include "data/xxhash64.h"

namespace trivium::data {
namespace {

template <typename T>
T number_at(const uint8_t* bytes, int64_t at) {
  T value;
  std::memcpy(&value, bytes + at, sizeof(T));
  return value;
}

Error unusable(const std::string& path, const std::string& why) { return error(ErrorKind::Dataset, path, ": not a usable cache: ", why); }

/// First row (or column) of the smaller central window inside the larger one, along an axis of `length` pixels.
int64_t inset(int64_t length, int64_t larger, int64_t smaller) {
  return augment::center_offset(length, smaller) - augment::center_offset(length, larger);
}

}  // namespace

std::shared_ptr<const PackedFile> PackedFile::open(const std::string& path) {
  std::shared_ptr<PackedFile> file(new PackedFile());
  file->path_ = path;
  file->descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (file->descriptor_ < 0 || ::fstat(file->descriptor_, &info) != 0) throw unusable(path, std::strerror(errno));
  if (!S_ISREG(info.st_mode) || info.st_size < kPixelsAt) throw unusable(path, "it is too short");
  void* mapped = ::mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, file->descriptor_, 0);
  if (mapped == MAP_FAILED) throw unusable(path, std::strerror(errno));
  file->mapped_ = static_cast<const uint8_t*>(mapped);
  file->bytes_ = info.st_size;

  const uint8_t* head = file->mapped_;
  if (std::memcmp(head, "TRIVPACK", 8) != 0) throw unusable(path, "it does not begin with TRIVPACK");
  if (const auto version = number_at<uint32_t>(head, 8); version != kVersion) {
    throw unusable(path, "it has version " + std::to_string(version) + ", not " + std::to_string(kVersion));
  }
  const uint64_t side = number_at<uint32_t>(head, 12), count = number_at<uint64_t>(head, 16);
  const uint64_t footer = number_at<uint64_t>(head, 24), length = number_at<uint64_t>(head, 32);
  // Bounds that keep every product below 2^63.
  if (side < 1 || side > (1u << 13) || count > (uint64_t{1} << 32)) throw unusable(path, "its head is damaged");
  if (footer != kPixelsAt + count * side * side * 3 || length < count * 16 ||
      footer + length != static_cast<uint64_t>(info.st_size)) {
    throw unusable(path, "its length is not what its head says");
  }
  file->side_ = static_cast<int64_t>(side);
  file->count_ = static_cast<int64_t>(count);
  file->footer_ = head + footer;
  if (xxhash64(file->footer_, length) != number_at<uint64_t>(head, 40)) throw unusable(path, "its list of pictures is damaged");
  file->text_.assign(reinterpret_cast<const char*>(file->footer_ + count * 16), length - count * 16);
  file->checked_.assign(count, 0);
  return file;
}

PackedFile::~PackedFile() {
  if (mapped_ != nullptr) ::munmap(const_cast<uint8_t*>(mapped_), static_cast<size_t>(bytes_));
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::vector<int32_t> PackedFile::read(const std::vector<int64_t>& indices, int64_t resize_to, int64_t crop_to, uint8_t* out) const {
  if (crop_to < 1 || crop_to > side_ || resize_to < side_) {
    throw error(ErrorKind::Shape, path_, ": expected a window of 1 to ", side_, " pixels but got ", crop_to);
  }
  // A page of a mapped file that was cut off ends the process when it is touched.
  struct stat info;
  if (::fstat(descriptor_, &info) != 0 || info.st_size < bytes_) {
    throw error(ErrorKind::Dataset, path_, ": the cache was cut off while it was in use. Run again: it is built anew.");
  }
  const int64_t record = side_ * side_ * 3;
  const auto picture = [&](int64_t index) { return mapped_ + kPixelsAt + index * record; };
  const long page = ::sysconf(_SC_PAGESIZE);
  for (const int64_t index : indices) {
    if (index < 0 || index >= count_) throw error(ErrorKind::Shape, path_, ": expected an index in [0, ", count_, ") but got ", index);
    const uintptr_t from = reinterpret_cast<uintptr_t>(picture(index)) / page * page;
    // All reads of a batch are asked for before the first is waited for.
    ::madvise(reinterpret_cast<void*>(from), static_cast<size_t>(record + page), MADV_WILLNEED);
  }
  std::vector<int32_t> damaged;
  for (size_t row = 0; row < indices.size(); ++row) {
    const int64_t index = indices[row];
    const uint8_t* pixels = picture(index);
    if (!checked_[index]) {
      if (xxhash64(pixels, static_cast<size_t>(record)) != number_at<uint64_t>(footer_, index * 8)) {
        damaged.push_back(static_cast<int32_t>(row));
        continue;
      }
      checked_[index] = 1;
    }
    uint8_t* target = out + static_cast<int64_t>(row) * crop_to * crop_to * 3;
    if (crop_to == side_) {
      std::memcpy(target, pixels, static_cast<size_t>(record));
      continue;
    }
    const uint8_t* sizes = footer_ + count_ * 8 + index * 8;
    const int64_t height = std::max<int64_t>(1, number_at<int32_t>(sizes, 0)), width = std::max<int64_t>(1, number_at<int32_t>(sizes, 4));
    const int64_t long_side = resize_to * std::max(height, width) / std::min(height, width);
    const int64_t top = inset(height <= width ? resize_to : long_side, side_, crop_to);
    const int64_t left = inset(height <= width ? long_side : resize_to, side_, crop_to);
    for (int64_t y = 0; y < crop_to; ++y) {
      std::memcpy(target + y * crop_to * 3, pixels + ((top + y) * side_ + left) * 3, static_cast<size_t>(crop_to * 3));
    }
  }
  return damaged;
}

}  // namespace trivium::data
