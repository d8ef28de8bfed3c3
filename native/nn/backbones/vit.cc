#include "nn/backbones/vit.h"

#include <utility>

#include "nn/backbones/common.h"
#include "nn/backbones/transformer_table.h"

namespace trivium::nn {
namespace {

constexpr auto kAugreg = "augreg_in21k_ft_in1k", kAugreg2 = "augreg2_in21k_ft_in1k", kOrig21k = "orig_in21k", kOrig = "orig_in21k_ft_in1k";

TransformerShape tiny(int64_t patch, int64_t image) { return {192, 12, 3, patch, image}; }
TransformerShape small(int64_t patch, int64_t image) { return {384, 12, 6, patch, image}; }
TransformerShape base(int64_t patch, int64_t image) { return {768, 12, 12, patch, image}; }
TransformerShape large(int64_t patch, int64_t image) { return {1024, 24, 16, patch, image}; }

TransformerShape without_bias(TransformerShape shape) {
  shape.attention_bias = false;
  return shape;
}

/// The mean of the image's tokens instead of a class token.
TransformerShape averaged(TransformerShape shape, int64_t heads) {
  shape.heads = heads;
  shape.class_token = false;
  shape.pool = TransformerShape::Pool::Average;
  return shape;
}

TransformerShape test_vit2() {
  TransformerShape shape{64, 8, 2, 16, 160, 192};
  shape.class_token = false;
  shape.registers = 1;
  shape.pool = TransformerShape::Pool::Average;
  shape.norm_after_pool = true;
  shape.scale = BlockShape::Scale::Submodule;
  return shape;
}

const std::vector<TransformerRow>& rows() {
  static const Inputs half{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, 0.9}, whole{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, 1.0};
  static const Inputs imagenet{kImageNetMean, kImageNetStd, 0.9}, unscaled{{0, 0, 0}, {1, 1, 1}, 0.875, "bilinear"};
  static const Inputs tests{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}, 0.95};
  static const std::vector<TransformerRow> table{
      {"test_vit", {64, 6, 2, 16, 160, 192}, tests, "r160_in1k"},
      {"test_vit2", test_vit2(), tests, "r160_in1k"},
      {"vit_test", {32, 2, 2, 8, 32}, half, ""},
      {"vit_tiny_patch16_224", tiny(16, 224), half, kAugreg},
      {"vit_tiny_patch16_384", tiny(16, 384), whole, kAugreg},
      {"vit_small_patch8_224", small(8, 224), imagenet, "dino"},
      {"vit_small_patch16_224", small(16, 224), half, kAugreg},
      {"vit_small_patch16_384", small(16, 384), whole, kAugreg},
      {"vit_small_patch32_224", small(32, 224), half, kAugreg},
      {"vit_small_patch32_384", small(32, 384), whole, kAugreg},
      {"vit_base_patch8_224", base(8, 224), half, kAugreg2},
      {"vit_base_patch16_224", base(16, 224), half, kAugreg2},
      {"vit_base_patch16_224_miil", without_bias(base(16, 224)), unscaled, "in21k"},
      {"vit_base_patch16_384", base(16, 384), whole, kAugreg},
      {"vit_base_patch16_gap_224", averaged(base(16, 224), 16), half, ""},
      {"vit_base_patch32_224", base(32, 224), half, kAugreg},
      {"vit_base_patch32_384", base(32, 384), whole, kAugreg},
      {"vit_large_patch14_224", large(14, 224), half, ""},
      {"vit_large_patch16_224", large(16, 224), half, kAugreg},
      {"vit_large_patch16_384", large(16, 384), whole, kAugreg},
      {"vit_large_patch32_224", large(32, 224), half, kOrig21k},
      {"vit_large_patch32_384", large(32, 384), whole, kOrig},
      {"vit_huge_patch14_224", {1280, 32, 16, 14, 224}, half, kOrig21k},
      {"vit_giant_patch14_224", {1408, 40, 16, 14, 224, 6144}, half, ""},
      {"vit_gigantic_patch14_224", {1664, 48, 16, 14, 224, 8192}, half, ""},
  };
  return table;
}

}  // namespace

const BackboneFamily& vit_family() {
  static const BackboneFamily family{
      transformer_entries("vit", "Dosovitskiy et al. 2020, arXiv 2010.11929", "Apache-2.0", rows()),
      [](const std::string& name, const Options& options) { return make_transformer(rows(), name, options); }};
  return family;
}

}  // namespace trivium::nn
