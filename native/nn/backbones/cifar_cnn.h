// A fast convolutional network for images of about 32 px: seven 3×3 convolutions that are wide where the map is small, 2 M parameters.
// The layout follows Jordan 2024, "94 % on CIFAR-10 in 3.29 seconds on a single GPU", arXiv 2404.00498 (section 3.1); a plain learned
// 3×3 stem stands in the place of its whitening layer, whose weights would have to be computed from the data, and ReLU in the place of
// GELU, which takes 40 % of a bfloat16 step on a CPU.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// Names: cifar_cnn or cifar_cnn_test (width 8). Options: num_classes, image_size (default 32, at least 8), width (default 64; features
/// are 4 · width), gradient_checkpointing, use_cbam (on the final map), use_mixstyle with mixstyle_p and mixstyle_alpha (after the
/// first two pairs of convolutions).
const BackboneFamily& cifar_cnn_family();

}  // namespace trivium::nn
