// DINOv2, Oquab et al. 2023, "DINOv2: learning robust visual features without supervision", arXiv 2304.07193; with registers Darcet et al.
// 2023, arXiv 2309.16588. timm's names and initialisation.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// vit_{small, base, large, giant}_patch14_dinov2 and …_patch14_reg4_dinov2, for images of 518 pixels unless image_size says otherwise;
/// dinov2_test and dinov2_swiglu_test. Options: those of VisionTransformer.
const BackboneFamily& dinov2_family();

}  // namespace trivium::nn
