#include "data/decode_batch.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <thread>

#include "augment/resize.h"
#include "core/error.h"
#include "data/jpeg.h"
#include "data/xxhash64.h"

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

namespace {

/// Reads pictures on so many threads, the caller's among them. `make_work()` is called once by each and gives what is called with
/// (index, bytes, length) for every picture that can be read.
template <typename MakeWork>
void for_each_picture(const std::vector<EncodedPicture>& pictures, int threads, const std::atomic<bool>& stop, const MakeWork& make_work) {
  const int64_t count = static_cast<int64_t>(pictures.size());
  std::atomic<int64_t> next{0};
  const auto run = [&] {
    auto work = make_work();
    std::vector<uint8_t> file;
    for (int64_t i = next++; i < count && !stop; i = next++) {
      const EncodedPicture& picture = pictures[i];
      try {
        if (picture.bytes == nullptr && !read_bytes(picture, file)) continue;
        work(i, picture.bytes == nullptr ? file.data() : picture.bytes,
             picture.bytes == nullptr ? file.size() : static_cast<size_t>(picture.length));
      } catch (const std::exception&) {
        // No memory for one picture, or a size that the resampler refuses: the other decoder names the file.
      }
    }
  };
  std::vector<std::thread> others;
  for (int64_t i = 1; i < std::min<int64_t>(threads, count); ++i) {
    try {
      others.emplace_back(run);
    } catch (const std::exception&) {
      break;  // no more threads, or no memory for them: those that run do the work
    }
  }
  run();
  for (std::thread& other : others) other.join();
}

}  // namespace

BatchResult decode_batch(const std::vector<EncodedPicture>& pictures, const BatchGeometry& geometry, int threads, uint8_t* out,
                         const std::atomic<bool>& stop) {
  if (geometry.crop_to < 1 || geometry.crop_to > geometry.resize_to) {
    throw error(ErrorKind::Shape, "decode: expected a crop from 1 to resize_to = ", geometry.resize_to, " but got ", geometry.crop_to);
  }
  const size_t count = pictures.size();
  const int64_t record = geometry.crop_to * geometry.crop_to * 3;
  BatchResult result{std::vector<uint8_t>(count, 0), std::vector<int32_t>(count * 2, 0)};
  for_each_picture(pictures, threads, stop, [&] {
    return [&, decoded = Picture{}](int64_t i, const uint8_t* bytes, size_t length) mutable {
      if (!decode_jpeg(bytes, length, geometry.max_pixels, decoded)) return;
      augment::resize_and_center_crop_into(decoded.pixels.data(), decoded.height, decoded.width, geometry.resize_to,
                                           {geometry.crop_to, geometry.crop_to}, geometry.interpolation, out + i * record);
      result.sizes[i * 2] = static_cast<int32_t>(decoded.height);
      result.sizes[i * 2 + 1] = static_cast<int32_t>(decoded.width);
      result.done[i] = 1;
    };
  });
  return result;
}

std::vector<uint64_t> hash_batch(const std::vector<EncodedPicture>& pictures, int threads) {
  std::vector<uint64_t> hashes(pictures.size(), xxhash64(nullptr, 0));
  const std::atomic<bool> stop{false};
  for_each_picture(pictures, threads, stop, [&] {
    return [&](int64_t i, const uint8_t* bytes, size_t length) { hashes[i] = xxhash64(bytes, length); };
  });
  return hashes;
}

}  // namespace trivium::data
