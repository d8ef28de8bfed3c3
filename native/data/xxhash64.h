// XXH64 (Y. Collet, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): tells damage, at memory speed; not for secrets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trivium::data {

uint64_t xxhash64(const uint8_t* bytes, size_t length, uint64_t seed = 0);

}  // namespace trivium::data
