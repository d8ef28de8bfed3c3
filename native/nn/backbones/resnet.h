// ResNet-18/34/50, He et al. 2015, "Deep residual learning for image recognition", arXiv 1512.03385. timm's names and initialisation.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// Names: resnet18, resnet34, resnet50 or resnet_test (four blocks, 32 features).
/// Options: num_classes, image_size, cifar_stem (a 3×3 stem of stride 1 without max pooling, for images of about 32 px).
const BackboneFamily& resnet_family();

}  // namespace trivium::nn
