// A convolutional and a transformer backbone side by side, whose pooled features are fused.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// Names: hybrid, and hybrid_test (resnet_test beside vit_test).
/// Options: cnn_model and vit_model (names of the registry; convnextv2_tiny and vit_small_patch14_dinov2), fusion ("concat": the features after
/// each other; "gate": Arevalo et al. 2017, arXiv 1702.01992, eq. 1), fusion_width (of the gate's result; default: the transformer's features),
/// num_classes, image_size (default 224), and what the two take: an option goes to the half that reads it, or to both.
///
/// Images are normalised as ImageNet's; each half gets them in its own normalisation. Tensors: cnn.*, vit.*, fusion.*, head.*.
/// forward_features gives the fused features [N, D], and pool leaves them as they are.
const BackboneFamily& hybrid_family();

}  // namespace trivium::nn
