// Vision transformer, Dosovitskiy et al. 2020, "An image is worth 16x16 words", arXiv 2010.11929. timm's names and initialisation.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// Names: vit_tiny_patch16_224, vit_small_patch16_224, vit_base_patch16_224 or vit_test (two blocks of width 32, patch 8, image 32).
/// Options: num_classes, image_size, patch_size (divides image_size).
const BackboneFamily& vit_family();

}  // namespace trivium::nn
