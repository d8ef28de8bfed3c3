// One factory for each operation; plan.cc lists them by name. Each file reads its own options and checks that none is left over.
#pragma once

#include <memory>

#include "augment/plan.h"

namespace trivium::augment {

std::unique_ptr<Operation> create_random_crop(const Options& options);
std::unique_ptr<Operation> create_random_resized_crop(const Options& options);
std::unique_ptr<Operation> create_horizontal_flip(const Options& options);
std::unique_ptr<Operation> create_center_crop(const Options& options);
std::unique_ptr<Operation> create_resize(const Options& options);

/// A side length from the options: an integer ≥ 1. Throws ConfigError naming the operation.
int64_t side_option(const Options& options, const char* key);

/// "bilinear" (the default) or "bicubic"; throws ConfigError for anything else.
std::string interpolation_option(const Options& options);

}  // namespace trivium::augment
