// ResNet-18/26/34/50/101/152, He et al. 2015, "Deep residual learning for image recognition", arXiv 1512.03385. timm's names and
// initialisation.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// Names: resnet18, resnet26, resnet34, resnet50, resnet101, resnet152 or resnet_test (four blocks, 32 features).
/// Options: num_classes, image_size, cifar_stem (a 3×3 stem of stride 1 without max pooling, for images of about 32 px),
/// drop_path_rate, gradient_checkpointing (by block), use_cbam (in every block), use_mixstyle with mixstyle_p and mixstyle_alpha (after
/// layer1 and layer2).
const BackboneFamily& resnet_family();

}  // namespace trivium::nn
