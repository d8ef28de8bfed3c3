#include "data/jpeg.h"

#include <algorithm>
#include <optional>

#include "data/exif.h"

#ifdef TRIVIUM_JPEG
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>
#endif

namespace trivium::data {

#if defined(TRIVIUM_JPEG) && defined(LIBJPEG_TURBO_VERSION)
namespace {

#define TRIVIUM_TEXT_(x) #x
#define TRIVIUM_TEXT(x) TRIVIUM_TEXT_(x)

// A progressive file may hold thousands of scans, each a pass over the whole picture; encoders write about ten.
constexpr int kMostScans = 100;

struct Failure {
  jpeg_error_mgr manager;
  std::jmp_buf back;
};

void leave(j_common_ptr info) { std::longjmp(reinterpret_cast<Failure*>(info->err)->back, 1); }

/// Level −1 is a warning: damage that the library papers over.
void on_message(j_common_ptr info, int level) {
  if (level < 0) leave(info);
}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMostScans) leave(info);
}

/// Everything that must outlive a longjmp; nothing with a destructor is made between setjmp and it.
struct Decoder {
  jpeg_decompress_struct info{};
  jpeg_progress_mgr progress{};
  Failure failure{};
  Picture& picture;
  int orientation = 1;

  explicit Decoder(Picture& into) : picture(into) {}
  ~Decoder() { jpeg_destroy_decompress(&info); }

  bool run(const uint8_t* bytes, size_t length, int64_t max_pixels) {
    info.err = jpeg_std_error(&failure.manager);
    failure.manager.error_exit = leave;
    failure.manager.emit_message = on_message;
    if (setjmp(failure.back)) return false;
    jpeg_create_decompress(&info);
    progress.progress_monitor = on_progress;
    info.progress = &progress;
    jpeg_mem_src(&info, bytes, static_cast<unsigned long>(length));
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
    if (jpeg_read_header(&info, TRUE) != JPEG_HEADER_OK) return false;
    const int64_t height = info.image_height, width = info.image_width;
    if (height < 1 || width < 1 || height > max_pixels / width) return false;
    if (info.data_precision != 8 || (info.num_components != 1 && info.num_components != 3)) return false;
    if (!read_orientation()) return false;
    info.out_color_space = JCS_RGB;
    info.dct_method = JDCT_ISLOW;
    info.do_fancy_upsampling = TRUE;
    jpeg_start_decompress(&info);
    picture.height = height;
    picture.width = width;
    // Never made shorter: filling memory with zeros anew for each picture would cost a tenth of decoding it.
    const size_t values = static_cast<size_t>(height * width * 3);
    if (picture.pixels.size() < values) picture.pixels.resize(values);
    while (info.output_scanline < info.output_height) {
      JSAMPROW rows[4];
      const int64_t first = info.output_scanline;
      for (int i = 0; i < 4; ++i) rows[i] = picture.pixels.data() + std::min(first + i, height - 1) * width * 3;
      jpeg_read_scanlines(&info, rows, static_cast<JDIMENSION>(std::min<int64_t>(4, height - first)));
    }
    jpeg_finish_decompress(&info);
    return true;
  }

 private:
  bool read_orientation() {
    int found = 0;
    for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
      if (!is_exif(marker->data, marker->data_length)) continue;
      const std::optional<int> value = exif_orientation(marker->data, marker->data_length);
      if (!value || ++found > 1) return false;
      orientation = *value;
    }
    return true;
  }
};

}  // namespace

std::string jpeg_library() { return "libjpeg-turbo " TRIVIUM_TEXT(LIBJPEG_TURBO_VERSION); }

bool decode_jpeg(const uint8_t* bytes, size_t length, int64_t max_pixels, Picture& picture) {
  if (length < 4 || bytes[0] != 0xff || bytes[1] != 0xd8 || bytes[2] != 0xff) return false;
  Decoder decoder(picture);
  if (!decoder.run(bytes, length, max_pixels)) return false;
  if (decoder.orientation > 1) picture = turned(picture, decoder.orientation);
  return true;
}

#else

std::string jpeg_library() { return ""; }

bool decode_jpeg(const uint8_t*, size_t, int64_t, Picture&) { return false; }

#endif

}  // namespace trivium::data
