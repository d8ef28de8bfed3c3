#include "augment/image.h"

#include <cstring>

namespace trivium::augment {
namespace {

uint8_t* room(std::vector<uint8_t>& buffer, int64_t bytes) {
  const size_t wanted = static_cast<size_t>(bytes + Image::kSlack);
  if (buffer.size() < wanted) buffer.resize(wanted);
  return buffer.data();
}

}  // namespace

void Image::lend(const uint8_t* pixels, int64_t height, int64_t width) {
  current_ = pixels;
  height_ = height;
  width_ = width;
  owned_ = -1;
  mapped_ = false;
  erasures.clear();
}

const uint8_t* Image::pixels() {
  if (mapped_) own();
  return current_;
}

uint8_t* Image::own() {
  const int64_t bytes = count() * 3;
  const int target = owned_ < 0 ? 0 : owned_;
  uint8_t* buffer = owned_ < 0 ? room(buffers_[target], bytes) : buffers_[target].data();
  if (mapped_) {
    look_up(current_, buffer, bytes, tables_);
  } else if (owned_ < 0) {
    std::memcpy(buffer, current_, static_cast<size_t>(bytes));
  }
  mapped_ = false;
  owned_ = target;
  current_ = buffer;
  return buffer;
}

uint8_t* Image::result(int64_t height, int64_t width) { return room(buffers_[owned_ == 0 ? 1 : 0], height * width * 3); }

void Image::accept(int64_t height, int64_t width) {
  owned_ = owned_ == 0 ? 1 : 0;
  current_ = buffers_[owned_].data();
  height_ = height;
  width_ = width;
}

void Image::map(const Tables& tables) {
  if (mapped_) {
    compose(tables_, tables);
  } else {
    tables_ = tables;
  }
  mapped_ = true;
}

}  // namespace trivium::augment
