#include "nn/backbones/dinov3.h"

#include "nn/backbones/common.h"
#include "nn/backbones/transformer_table.h"

namespace trivium::nn {
namespace {

TransformerShape dinov3(TransformerShape shape, bool bias = false) {
  shape.layout = AttentionShape::Layout::NoKeyBias;
  shape.attention_bias = bias;
  shape.scale = BlockShape::Scale::Parameter;
  shape.norm_eps = 1e-5;
  shape.registers = 4;
  shape.position_embedding = false;
  shape.rotary = {RotaryShape::Grid::Centred, /*reference=*/0, /*temperature=*/100, /*halves=*/true};
  shape.pool = TransformerShape::Pool::Average;
  shape.start = TransformerShape::Start::Eva;
  return shape;
}

TransformerShape gated(TransformerShape shape) {
  shape.mlp = MlpShape::Kind::SwiGlu;
  return shape;
}

const std::vector<TransformerRow>& rows() {
  static const auto tag = "lvd1689m";
  static const Inputs inputs{kImageNetMean, kImageNetStd, 1.0};
  static const TransformerShape tiny{192, 12, 3, 16, 256}, small{384, 12, 6, 16, 256}, base{768, 12, 12, 16, 256},
      large{1024, 24, 16, 16, 256}, small_plus = gated({384, 12, 6, 16, 256, 1536}), huge_plus = gated({1280, 32, 20, 16, 256, 5120}),
      largest = gated({4096, 40, 32, 16, 256, 8192});
  static const std::vector<TransformerRow> table{
      {"dinov3_test", dinov3(gated({32, 2, 2, 8, 32, 48}), true), inputs, ""},
      {"vit_tiny_patch16_dinov3_qkvb", dinov3(tiny, true), inputs, "eupe_lvd1689m", "fair-noncommercial-research-license"},
      {"vit_small_patch16_dinov3", dinov3(small), inputs, tag},
      {"vit_small_patch16_dinov3_qkvb", dinov3(small, true), inputs, tag},
      {"vit_small_plus_patch16_dinov3", dinov3(small_plus), inputs, tag},
      {"vit_small_plus_patch16_dinov3_qkvb", dinov3(small_plus, true), inputs, tag},
      {"vit_base_patch16_dinov3", dinov3(base), inputs, tag},
      {"vit_base_patch16_dinov3_qkvb", dinov3(base, true), inputs, tag},
      {"vit_large_patch16_dinov3", dinov3(large), inputs, tag},
      {"vit_large_patch16_dinov3_qkvb", dinov3(large, true), inputs, tag},
      {"vit_huge_plus_patch16_dinov3", dinov3(huge_plus), inputs, tag},
      {"vit_huge_plus_patch16_dinov3_qkvb", dinov3(huge_plus, true), inputs, tag},
      {"vit_7b_patch16_dinov3", dinov3(largest), inputs, tag},
  };
  return table;
}

}  // namespace

const BackboneFamily& dinov3_family() {
  static const BackboneFamily family{
      transformer_entries("dinov3", "Siméoni et al. 2025, arXiv 2508.10104", "dinov3-license", rows()),
      [](const std::string& name, const Options& options) { return make_transformer(rows(), name, options); }};
  return family;
}

}  // namespace trivium::nn
