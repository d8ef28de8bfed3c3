// Vision transformer, Dosovitskiy et al. 2020, "An image is worth 16x16 words", arXiv 2010.11929. timm's names and initialisation.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// vit_{tiny … gigantic}_patch{8, 14, 16, 32}_{224, 384}, timm's test_vit and test_vit2, and vit_test (two blocks of width 32, patch 8,
/// image 32). Options: those of VisionTransformer.
const BackboneFamily& vit_family();

}  // namespace trivium::nn
