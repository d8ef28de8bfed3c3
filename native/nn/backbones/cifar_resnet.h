// The residual networks for 32-px images of He et al. 2015, arXiv 1512.03385, §4.2: three stages of 16, 32 and 64 channels and shortcuts
// without weights (option A). Tensor names as in akamaster/pytorch_resnet_cifar10, whose checkpoints load.
#pragma once

#include "nn/family.h"

namespace trivium::nn {

/// Names: resnet20, resnet32, resnet44, resnet56, resnet110 (6n + 2 layers) and cifar_resnet_test (n = 1, 4 to 16 channels).
/// Options: num_classes, image_size (default 32, at least 4), drop_path_rate, gradient_checkpointing (by block), use_cbam (in every block),
/// use_mixstyle with mixstyle_p and mixstyle_alpha (after layer1 and layer2).
const BackboneFamily& cifar_resnet_family();

}  // namespace trivium::nn
