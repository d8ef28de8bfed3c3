// ResNet-18/34/50, He et al. 2015, "Deep residual learning for image recognition", arXiv 1512.03385. timm's names and initialisation.
#pragma once

#include <memory>
#include <string>

#include "core/options.h"
#include "nn/module.h"

namespace trivium::nn {

/// `name`: resnet18, resnet34, resnet50 or resnet_test (four blocks, 32 features).
/// Options: num_classes, image_size, cifar_stem (a 3×3 stem of stride 1 without max pooling, for images of about 32 px).
std::shared_ptr<Backbone> make_resnet(const std::string& name, const Options& options);

}  // namespace trivium::nn
