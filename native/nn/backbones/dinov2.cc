#include "nn/backbones/dinov2.h"

#include "nn/backbones/common.h"
#include "nn/backbones/transformer_table.h"

namespace trivium::nn {
namespace {

TransformerShape scaled(TransformerShape shape) {
  shape.scale = BlockShape::Scale::Submodule;
  return shape;
}

TransformerShape gated(TransformerShape shape) {
  shape.mlp = MlpShape::Kind::PackedSwiGlu;
  return shape;
}

/// Registers, and a position embedding for the patches alone.
TransformerShape registered(TransformerShape shape, int64_t registers = 4) {
  shape.registers = registers;
  shape.prefix_position = false;
  return shape;
}

const std::vector<TransformerRow>& rows() {
  static const auto tag = "lvd142m";
  static const Inputs inputs{kImageNetMean, kImageNetStd, 1.0};
  static const TransformerShape small = scaled({384, 12, 6, 14, 518}), base = scaled({768, 12, 12, 14, 518}),
                                large = scaled({1024, 24, 16, 14, 518}), giant = gated(scaled({1536, 40, 24, 14, 518, 4096}));
  static const std::vector<TransformerRow> table{
      {"dinov2_swiglu_test", gated(scaled({32, 2, 2, 8, 32, 48})), inputs, ""},
      {"dinov2_test", registered(scaled({32, 2, 2, 8, 32}), 2), inputs, ""},
      {"vit_small_patch14_dinov2", small, inputs, tag},
      {"vit_small_patch14_reg4_dinov2", registered(small), inputs, tag},
      {"vit_base_patch14_dinov2", base, inputs, tag},
      {"vit_base_patch14_reg4_dinov2", registered(base), inputs, tag},
      {"vit_large_patch14_dinov2", large, inputs, tag},
      {"vit_large_patch14_reg4_dinov2", registered(large), inputs, tag},
      {"vit_giant_patch14_dinov2", giant, inputs, tag},
      {"vit_giant_patch14_reg4_dinov2", registered(giant), inputs, tag},
  };
  return table;
}

}  // namespace

const BackboneFamily& dinov2_family() {
  static const BackboneFamily family{
      transformer_entries("dinov2", "Oquab et al. 2023, arXiv 2304.07193", "Apache-2.0", rows()),
      [](const std::string& name, const Options& options) { return make_transformer(rows(), name, options); },
      {
          {"dinov2_small14", "vit_small_patch14_dinov2"},
          {"dinov2_base14", "vit_base_patch14_dinov2"},
          {"dinov2_large14", "vit_large_patch14_dinov2"},
          {"dinov2_giant14", "vit_giant_patch14_dinov2"},
      }};
  return family;
}

}  // namespace trivium::nn
