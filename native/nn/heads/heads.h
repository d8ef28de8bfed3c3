// What stands behind a backbone's pooled features. See create_head in nn/registry.h for kinds and options.
#pragma once

#include <memory>

#include "core/options.h"
#include "nn/module.h"

namespace trivium::nn {

/// Khosla et al. 2020, section 3.1: linear, ReLU, linear, unit length. [N, in_features] → [N, out_features].
/// Options: in_features, out_features, hidden_features (default in_features).
std::shared_ptr<Module> make_projection_head(const Options& options);

/// Cosine of the angle between a feature and each class's direction (Deng et al. 2018, ArcFace). [N, in_features] → [N, out_features] in
/// [−1, 1]. With sub_centers K > 1 a class has K directions and the nearest one counts (Deng et al. 2020, sub-center ArcFace, eq. 4).
/// Options: in_features, out_features, sub_centers (default 1).
std::shared_ptr<Module> make_cosine_head(const Options& options);

/// Linear classifier with bias. [N, in_features] → [N, out_features]. Options: in_features, out_features.
std::shared_ptr<Module> make_linear_head(const Options& options);

}  // namespace trivium::nn
