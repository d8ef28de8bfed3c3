// Every operation by name. An operation is one file with its factory in operations.h, and one line here.
#include <sstream>

#include "augment/operations.h"
#include "core/error.h"

namespace trivium::augment {

const std::vector<OperationEntry>& operations() {
  static const std::vector<OperationEntry> entries{
      {"random_crop", create_random_crop},
      {"random_resized_crop", create_random_resized_crop},
      {"center_crop", create_center_crop},
      {"resize", create_resize},
      {"horizontal_flip", create_horizontal_flip},
      {"vertical_flip", create_vertical_flip},
      {"rotation", create_rotation},
      {"affine", create_affine},
      {"color_jitter", create_color_jitter},
      {"greyscale", create_greyscale},
      {"gaussian_blur", create_gaussian_blur},
      {"sharpness", create_sharpness},
      {"posterize", create_posterize},
      {"solarize", create_solarize},
      {"autocontrast", create_autocontrast},
      {"equalize", create_equalize},
      {"invert", create_invert},
      {"randaugment", create_randaugment},
      {"trivialaugment", create_trivialaugment},
      {"autoaugment", create_autoaugment},
      {"augmix", create_augmix},
      {"cutout", create_cutout},
      {"random_erasing", create_random_erasing},
  };
  return entries;
}

std::unique_ptr<Operation> create_operation(const Options& options) {
  std::ostringstream known;
  for (const OperationEntry& entry : operations()) {
    if (entry.name == options.owner()) return entry.create(options);
    known << (known.tellp() > 0 ? ", " : "") << entry.name;
  }
  throw error(ErrorKind::Config, "augment: expected an operation out of ", known.str(), " but got \"", options.owner(), "\"");
}

}  // namespace trivium::augment
