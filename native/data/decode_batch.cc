#include "data/decode_batch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>

#include "augment/resize.h"
#include "core/error.h"
#include "data/jpeg.h"

namespace trivium::data {
namespace {

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

/// False when the bytes cannot be had: the other decoder says why.
bool read_bytes(const EncodedPicture& picture, std::vector<uint8_t>& into) {
  const Descriptor file(picture.path);
  struct stat info;
  if (file.number() < 0 || ::fstat(file.number(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  if (picture.offset < 0 || picture.offset > info.st_size) return false;
  const int64_t rest = info.st_size - picture.offset;
  const int64_t wanted = picture.length < 0 ? rest : picture.length;
  if (wanted > rest) return false;
  into.resize(static_cast<size_t>(wanted));
  for (int64_t have = 0; have < wanted;) {
    const ssize_t count = ::pread(file.number(), into.data() + have, static_cast<size_t>(wanted - have), picture.offset + have);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    have += count;
  }
  return true;
}

}  // namespace

BatchResult decode_batch(const std::vector<EncodedPicture>& pictures, const BatchGeometry& geometry, int threads, uint8_t* out,
                         const std::atomic<bool>& stop) {
  if (geometry.crop_to < 1 || geometry.crop_to > geometry.resize_to) {
    throw error(ErrorKind::Shape, "decode: expected a crop from 1 to resize_to = ", geometry.resize_to, " but got ", geometry.crop_to);
  }
  const int64_t count = static_cast<int64_t>(pictures.size());
  const int64_t record = geometry.crop_to * geometry.crop_to * 3;
  BatchResult result{std::vector<uint8_t>(count, 0), std::vector<int32_t>(count * 2, 0)};
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    std::vector<uint8_t> file;
    Picture decoded;
    for (int64_t i = next++; i < count && !stop; i = next++) {
      const EncodedPicture& picture = pictures[i];
      try {
        if (picture.bytes == nullptr && !read_bytes(picture, file)) continue;
        const uint8_t* bytes = picture.bytes == nullptr ? file.data() : picture.bytes;
        const size_t length = picture.bytes == nullptr ? file.size() : static_cast<size_t>(picture.length);
        if (!decode_jpeg(bytes, length, geometry.max_pixels, decoded)) continue;
        augment::resize_and_center_crop_into(decoded.pixels.data(), decoded.height, decoded.width, geometry.resize_to,
                                             {geometry.crop_to, geometry.crop_to}, geometry.interpolation, out + i * record);
        result.sizes[i * 2] = static_cast<int32_t>(decoded.height);
        result.sizes[i * 2 + 1] = static_cast<int32_t>(decoded.width);
        result.done[i] = 1;
      } catch (const std::exception&) {
        // No memory for one picture, or a size that the resampler refuses: the other decoder names the file.
      }
    }
  };
  std::vector<std::thread> others;
  for (int64_t i = 1; i < std::min<int64_t>(threads, count); ++i) {
    try {
      others.emplace_back(work);
    } catch (const std::system_error&) {
      break;  // no more threads to be had: those that run do the work
    }
  }
  work();
  for (std::thread& other : others) other.join();
  return result;
}

}  // namespace trivium::data
