// Swin Transformer V2: Liu et al. 2022, "Swin Transformer V2: Scaling up capacity and resolution", arXiv 2111.09883. timm's names, tensors
// and initialisation.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// Names: timm's swinv2_* and swinv2_test (four blocks, windows of 4, 64 px, 64 features).
/// Options: num_classes, image_size (at least 4; maps that the window does not divide are filled with zeros, maps smaller than it become
/// one window, both as in timm), drop_path_rate, gradient_checkpointing (by block), use_cbam (on the final map), use_mixstyle with
/// mixstyle_p and mixstyle_alpha (after the first two stages).
const BackboneFamily& swin_v2_family();

}  // namespace trivium::nn
