#include "data/xxhash64.h"

#include <cstring>

namespace trivium::data {
namespace {

constexpr uint64_t kP1 = 0x9E3779B185EBCA87u, kP2 = 0xC2B2AE3D27D4EB4Fu, kP3 = 0x165667B19E3779F9u, kP4 = 0x85EBCA77C2B2AE63u,
                   kP5 = 0x27D4EB2F165667C5u;

uint64_t turn(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

// Little-endian machines only, as LibTorch's builds are.
uint64_t word(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, 8);
  return value;
}

uint64_t half(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, 4);
  return value;
}

uint64_t round(uint64_t lane, uint64_t input) { return turn(lane + input * kP2, 31) * kP1; }

uint64_t merge(uint64_t hash, uint64_t lane) { return (hash ^ round(0, lane)) * kP1 + kP4; }

}  // namespace

uint64_t xxhash64(const uint8_t* bytes, size_t length, uint64_t seed) {
  const uint8_t* at = bytes;
  const uint8_t* end = bytes + length;
  uint64_t hash;
  if (length >= 32) {
    uint64_t a = seed + kP1 + kP2, b = seed + kP2, c = seed, d = seed - kP1;
    for (; end - at >= 32; at += 32) {
      a = round(a, word(at));
      b = round(b, word(at + 8));
      c = round(c, word(at + 16));
      d = round(d, word(at + 24));
    }
    hash = turn(a, 1) + turn(b, 7) + turn(c, 12) + turn(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  } else {
    hash = seed + kP5;
  }
  hash += length;
  for (; end - at >= 8; at += 8) hash = turn(hash ^ round(0, word(at)), 27) * kP1 + kP4;
  for (; end - at >= 4; at += 4) hash = turn(hash ^ half(at) * kP1, 23) * kP2 + kP3;
  for (; at < end; ++at) hash = turn(hash ^ *at * kP5, 11) * kP1;
  hash = (hash ^ hash >> 33) * kP2;
  hash = (hash ^ hash >> 29) * kP3;
  return hash ^ hash >> 32;
}

}  // namespace trivium::data
