// A small convolutional network for digits and other images of 8 to 32 px: three stages of 3×3 convolutions.
#pragma once

#include <memory>
#include <string>

#include "core/options.h"
#include "nn/module.h"

namespace trivium::nn {

/// Options: num_classes, image_size (default 8, at least 4), width (channels of the first stage, default 32; features are 4 · width).
std::shared_ptr<Backbone> make_small_cnn(const std::string& name, const Options& options);

}  // namespace trivium::nn
