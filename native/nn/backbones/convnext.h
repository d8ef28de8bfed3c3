// ConvNeXt: Liu et al. 2022, "A ConvNet for the 2020s", arXiv 2201.03545; and ConvNeXt V2: Woo et al. 2023, arXiv 2301.00808, which
// replaces LayerScale by global response normalisation. timm's names, tensors and initialisation.
#pragma once

#include <array>
#include <string>

#include "nn/blocks/channel_norm.h"
#include "nn/family.h"

namespace trivium::nn {

enum class ConvNextStem {
  Patch,          // one 4×4 convolution of stride 4
  Overlap,        // two 3×3 convolutions of stride 2
  OverlapTiered,  // the first of them at half the width
  OverlapAct,     // an activation between them
};

enum class Activation { Gelu, GeluTanh, Silu };

/// One network of the family; the members are timm's arguments.
struct ConvNextShape {
  std::array<int64_t, 4> depths;
  std::array<int64_t, 4> dims;
  bool grn = false;           // V2: global response normalisation in the perceptron, no LayerScale
  bool conv_mlp = false;      // the perceptron's weights are stored as 1×1 convolutions [out, in, 1, 1]
  ConvNextStem stem = ConvNextStem::Patch;
  bool head_norm_first = false;    // normalised before pooling instead of after
  int64_t head_hidden = 0;         // a hidden layer before the classifier; 0: none
  double eps = 1e-6;
  NormKind norm = NormKind::Layer;
  Activation activation = Activation::Gelu;
  std::array<int64_t, 4> kernels = {7, 7, 7, 7};
};

/// The networks that can be named, with their shapes.
struct ConvNextEntry {
  BackboneEntry entry;
  ConvNextShape shape;
};
const std::vector<ConvNextEntry>& convnext_entries();

/// Names: timm's convnext_* and convnextv2_*, and convnext_test and convnextv2_test (four blocks, 24 features).
/// Options: num_classes, image_size (at least 32), drop_path_rate, gradient_checkpointing (by block), use_cbam (at the end of every block's
/// branch), use_mixstyle with mixstyle_p and mixstyle_alpha (after the first two stages).
const BackboneFamily& convnext_family();

}  // namespace trivium::nn
