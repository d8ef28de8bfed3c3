// Without libjpeg-turbo no picture is taken, whatever it is: sharp decodes all.
#include <cstdio>

#include "data/jpeg.h"

int main() {
  const uint8_t bytes[] = {0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F', 'I', 'F', 0};
  trivium::data::Picture picture;
  const bool right = trivium::data::jpeg_library().empty() && !trivium::data::decode_jpeg(bytes, sizeof bytes, 1000, picture);
  std::printf("jpeg_absent: %s\n", right ? "ok" : "failed");
  return right ? 0 : 1;
}
