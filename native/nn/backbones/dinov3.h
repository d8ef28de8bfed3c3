// DINOv3, Siméoni et al. 2025, "DINOv3", arXiv 2508.10104: rotary positions, registers, LayerScale. timm's names and initialisation.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// vit_{small, small_plus, base, large, huge_plus, 7b}_patch16_dinov3, those with biases on q and v (…_qkvb), vit_tiny_patch16_dinov3_qkvb,
/// and dinov3_test. As in timm the pooled features are the mean of the image's tokens. Options: those of VisionTransformer.
const BackboneFamily& dinov3_family();

}  // namespace trivium::nn
