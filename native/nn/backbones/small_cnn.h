// A small convolutional network for digits and other images of 8 to 32 px: three stages of 3×3 convolutions.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// Options: num_classes, image_size (default 8, at least 4), width (channels of the first stage, default 32; features are 4 · width),
/// gradient_checkpointing, use_cbam (on the final map), use_mixstyle with mixstyle_p and mixstyle_alpha (after the first two halvings).
const BackboneFamily& small_cnn_family();

}  // namespace trivium::nn
