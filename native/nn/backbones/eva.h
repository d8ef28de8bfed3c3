// EVA (Fang et al. 2022, arXiv 2211.07636) and EVA-02 (Fang et al. 2023, arXiv 2303.11331): rotary positions on a reference grid, SwiGLU of
// ratio 8/3, sub-layer norm. timm's names and initialisation.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// eva02_{tiny, small, base, large}_patch14_{224, 336, 448}, eva_{large, giant}_patch14_…, the EVA-CLIP variants, and eva02_test,
/// eva02_packed_test, eva_test. Options: those of VisionTransformer.
const BackboneFamily& eva_family();

}  // namespace trivium::nn
