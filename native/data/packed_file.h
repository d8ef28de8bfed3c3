// Decoded square pictures of one size in one file, mapped into memory; src/data/packed writes it.
//
//   0      "TRIVPACK", u32 version, u32 side, u64 count, u64 footer offset, u64 footer bytes, u64 XXH64 of the footer; 4096 bytes
//   4096   pixels, uint8 [count, side, side, 3]
//   footer u64 [count] XXH64 of each picture · i32 [count, 2] height and width before resampling · JSON text
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace trivium::data {

class PackedFile {
 public:
  static constexpr uint32_t kVersion = 1;
  static constexpr int64_t kPixelsAt = 4096;

  /// Throws DatasetError saying what is wrong: missing, cut off, of another version, a damaged footer.
  static std::shared_ptr<const PackedFile> open(const std::string& path);
  ~PackedFile();
  PackedFile(const PackedFile&) = delete;
  PackedFile& operator=(const PackedFile&) = delete;

  int64_t count() const { return count_; }
  int64_t side() const { return side_; }
  /// The text that the writer put at the end.
  const std::string& text() const { return text_; }

  /// The central crop_to × crop_to window of each picture, as if it had been resampled to `resize_to` and cropped to crop_to at
  /// once: the rounding of both crops is that of the original's size. Returns the rows whose bytes are not those that were written
  /// (each picture is checked once, when it is first read), which are left as they are.
  ///
  /// Throws ShapeError for an index or a window outside; DatasetError when the file was cut off since it was opened.
  std::vector<int32_t> read(const std::vector<int64_t>& indices, int64_t resize_to, int64_t crop_to, uint8_t* out) const;

 private:
  PackedFile() = default;

  int descriptor_ = -1;
  const uint8_t* mapped_ = nullptr;
  int64_t bytes_ = 0;
  int64_t count_ = 0;
  int64_t side_ = 0;
  const uint8_t* footer_ = nullptr;
  std::string path_;
  std::string text_;
  mutable std::vector<uint8_t> checked_;  // [count]; a lost race only checks twice
};

}  // namespace trivium::data
