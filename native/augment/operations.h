// One factory for each operation; plan.cc lists them by name. Each file reads its own options and checks that none is left over.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "augment/operation.h"

namespace trivium::augment {

std::unique_ptr<Operation> create_random_crop(const Options& options);
std::unique_ptr<Operation> create_random_resized_crop(const Options& options);
std::unique_ptr<Operation> create_center_crop(const Options& options);
std::unique_ptr<Operation> create_resize(const Options& options);
std::unique_ptr<Operation> create_horizontal_flip(const Options& options);
std::unique_ptr<Operation> create_vertical_flip(const Options& options);
std::unique_ptr<Operation> create_rotation(const Options& options);
std::unique_ptr<Operation> create_affine(const Options& options);
std::unique_ptr<Operation> create_color_jitter(const Options& options);
std::unique_ptr<Operation> create_greyscale(const Options& options);
std::unique_ptr<Operation> create_gaussian_blur(const Options& options);
std::unique_ptr<Operation> create_sharpness(const Options& options);
std::unique_ptr<Operation> create_posterize(const Options& options);
std::unique_ptr<Operation> create_solarize(const Options& options);
std::unique_ptr<Operation> create_autocontrast(const Options& options);
std::unique_ptr<Operation> create_equalize(const Options& options);
std::unique_ptr<Operation> create_invert(const Options& options);
std::unique_ptr<Operation> create_randaugment(const Options& options);
std::unique_ptr<Operation> create_trivialaugment(const Options& options);
std::unique_ptr<Operation> create_autoaugment(const Options& options);
std::unique_ptr<Operation> create_augmix(const Options& options);
std::unique_ptr<Operation> create_cutout(const Options& options);
std::unique_ptr<Operation> create_random_erasing(const Options& options);

// What several operations read; each throws ConfigError naming the operation and the key.

/// A side length: an integer ≥ 1.
int64_t side_option(const Options& options, const char* key);

/// "bilinear" (the default) or "bicubic".
std::string interpolation_option(const Options& options);

/// `p`, from 0 to 1.
double probability_option(const Options& options, double fallback);

/// [low, high] with lowest ≤ low ≤ high ≤ highest; uniform draws come from it.
struct Range {
  double low, high;
  double draw(Rng& rng) const { return low == high ? low : rng.uniform(low, high); }
};
Range range_option(const Options& options, const char* key, Range fallback, double lowest, double highest);

}  // namespace trivium::augment
