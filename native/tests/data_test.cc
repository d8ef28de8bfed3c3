// Hashes against published vectors, EXIF orientations against hand-made segments, packed files against what a writer could do wrong.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include "check.h"
#include "data/decode_batch.h"
#include "data/exif.h"
#include "data/packed_file.h"
#include "data/xxhash64.h"

using namespace trivium::data;

namespace {

uint64_t hash(const std::string& text, uint64_t seed = 0) {
  return xxhash64(reinterpret_cast<const uint8_t*>(text.data()), text.size(), seed);
}

std::optional<int> orientation(const std::string& tiff) {
  const std::string segment = std::string("Exif\0\0", 6) + tiff;
  return exif_orientation(reinterpret_cast<const uint8_t*>(segment.data()), segment.size());
}

std::string little(char kind, char count, char value) {
  const char bytes[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, kind, 0, count, 0, 0, 0, value, 0, 0, 0};
  return std::string(bytes, sizeof bytes);
}

void hashes() {
  CHECK_TRUE(hash("") == 0xEF46DB3751D8E999u);
  CHECK_TRUE(hash("a") == 0xD24EC4F1A98C6E5Bu);
  CHECK_TRUE(hash("abc") == 0x44BC2CF5AD770999u);
  CHECK_TRUE(hash("Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1u);
  CHECK_TRUE(hash("abc", 1) != hash("abc"));
}

void orientations() {
  CHECK_TRUE(orientation(little(3, 1, 6)) == 6);
  CHECK_TRUE(orientation(std::string("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0", 22)) == 8);
  CHECK_TRUE(orientation(std::string("II*\0\x08\0\0\0\0\0", 10)) == 1);  // no tag
  CHECK_TRUE(!orientation(little(4, 1, 6)));                             // a long
  CHECK_TRUE(!orientation(little(3, 2, 6)));
  CHECK_TRUE(!orientation(little(3, 1, 0)));
  CHECK_TRUE(!orientation(little(3, 1, 9)));
  CHECK_TRUE(!orientation(std::string("II*\0\xff\xff\xff\xff", 8)));
  CHECK_TRUE(!orientation(std::string("II+\0\x08\0\0\0\0\0", 10)));
  for (size_t length = 0; length < 22; ++length) CHECK_TRUE(!orientation(little(3, 1, 6).substr(0, length)));
}

void turns() {
  // 2 × 3 pixels numbered by row: where each lands, as the TIFF standard draws the letter F.
  const std::vector<std::vector<int>> expected = {{1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1}, {4, 5, 6, 1, 2, 3},
                                                  {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3}, {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
  for (int kind = 1; kind <= 8; ++kind) {
    Picture picture{{}, 2, 3};
    for (uint8_t value = 1; value <= 6; ++value) picture.pixels.insert(picture.pixels.end(), 3, value);
    const Picture result = turned(picture, kind);
    CHECK_TRUE(result.height == (kind < 5 ? 2 : 3) && result.width == (kind < 5 ? 3 : 2));
    for (size_t i = 0; i < 6; ++i) CHECK_TRUE(result.pixels[i * 3] == expected[kind - 1][i]);
  }
}

std::string packed(int64_t side, const std::vector<std::vector<uint8_t>>& pictures, const std::vector<int32_t>& sizes) {
  std::string pixels, footer;
  for (const auto& picture : pictures) {
    pixels.append(picture.begin(), picture.end());
    const uint64_t sum = xxhash64(picture.data(), picture.size());
    footer.append(reinterpret_cast<const char*>(&sum), 8);
  }
  footer.append(reinterpret_cast<const char*>(sizes.data()), sizes.size() * 4);
  footer += "text";
  std::string head(4096, '\0');
  const uint32_t version = 1, edge = static_cast<uint32_t>(side);
  const uint64_t numbers[] = {pictures.size(), 4096 + pixels.size(), footer.size(), hash(footer)};
  std::memcpy(head.data(), "TRIVPACK", 8);
  std::memcpy(head.data() + 8, &version, 4);
  std::memcpy(head.data() + 12, &edge, 4);
  std::memcpy(head.data() + 16, numbers, sizeof numbers);
  return head + pixels + footer;
}

void packs() {
  const std::string path = "/tmp/trivium-data-test-" + std::to_string(::getpid());
  const auto write = [&](const std::string& content) { std::ofstream(path, std::ios::binary) << content; };
  std::vector<std::vector<uint8_t>> pictures(2, std::vector<uint8_t>(4 * 4 * 3));
  for (size_t i = 0; i < 48; ++i) pictures[0][i] = static_cast<uint8_t>(i), pictures[1][i] = static_cast<uint8_t>(200 - i);
  const std::string good = packed(4, pictures, {5, 9, 4, 4});
  write(good);
  const auto file = PackedFile::open(path);
  CHECK_TRUE(file->count() == 2 && file->side() == 4 && file->text() == "text");
  std::vector<uint8_t> out(2 * 48);
  CHECK_TRUE(file->read({1, 0}, 4, 4, out.data()).empty());
  CHECK_TRUE(std::equal(pictures[1].begin(), pictures[1].end(), out.begin()));
  CHECK_TRUE(std::equal(pictures[0].begin(), pictures[0].end(), out.begin() + 48));
  // 5 × 9 resampled to 4 × 7: a square of 4 begins at column 2 (1.5 to even), one of 3 at 2 as well, row 0 (0.5 to even).
  CHECK_TRUE(file->read({0}, 4, 3, out.data()).empty());
  CHECK_TRUE(out[0] == pictures[0][0] && out[9] == pictures[0][12]);
  CHECK_ERROR(Shape, "index", file->read({2}, 4, 4, out.data()));
  CHECK_ERROR(Shape, "index", file->read({-1}, 4, 4, out.data()));
  CHECK_ERROR(Shape, "window", file->read({0}, 4, 5, out.data()));
  CHECK_ERROR(Shape, "window", file->read({0}, 3, 3, out.data()));

  std::string damaged = good;
  damaged[4096 + 50] ^= 1;
  write(damaged);
  CHECK_TRUE(PackedFile::open(path)->read({0, 1}, 4, 4, out.data()) == std::vector<int32_t>{1});
  for (const size_t length : {size_t{0}, size_t{4095}, size_t{4096}, good.size() - 1}) {
    write(good.substr(0, length));
    CHECK_ERROR(Dataset, "not a usable cache", PackedFile::open(path));
  }
  for (size_t at = 0; at < 48; ++at) {
    std::string other = good;
    other[at] ^= 0x40;
    write(other);
    CHECK_ERROR(Dataset, "not a usable cache", PackedFile::open(path));
  }
  std::remove(path.c_str());
  CHECK_ERROR(Dataset, "not a usable cache", PackedFile::open(path));
}

void batches() {
  uint8_t out[3] = {7, 7, 7};
  const std::atomic<bool> stop{false};
  const BatchResult none = decode_batch({{"/nonexistent"}, {"", 0, 0, out}}, {1, 1, 100}, 3, out, stop);
  CHECK_TRUE(none.done == std::vector<uint8_t>(2, 0) && out[0] == 7);
  CHECK_ERROR(Shape, "crop", decode_batch({}, {4, 5, 100}, 1, out, stop));
}

}  // namespace

int main() {
  hashes();
  orientations();
  turns();
  packs();
  batches();
  return trivium::testing::finish("data");
}
