#include "nn/backbones/eva.h"

#include "nn/backbones/transformer_table.h"

namespace trivium::nn {
namespace {

using Pool = TransformerShape::Pool;

/// The mean of the image's tokens, normalised after pooling; or the class token, normalised before.
TransformerShape eva(TransformerShape shape, Pool pool = Pool::Average) {
  shape.layout = AttentionShape::Layout::NoKeyBias;
  shape.pool = pool;
  shape.norm_after_pool = pool == Pool::Average;
  shape.start = TransformerShape::Start::Eva;
  return shape;
}

/// Tiny and small: q, k and v in one product, gate and value too.
TransformerShape packed(TransformerShape shape) {
  shape = eva(shape);
  shape.mlp = MlpShape::Kind::PackedSwiGlu;
  shape.rotary.grid = RotaryShape::Grid::Reference;
  return shape;
}

/// Base and large: each product apart, a norm inside the MLP.
TransformerShape apart(TransformerShape shape) {
  shape = packed(shape);
  shape.layout = AttentionShape::Layout::Separate;
  shape.mlp = MlpShape::Kind::SwiGlu;
  shape.mlp_norm = true;
  return shape;
}

/// EVA-CLIP: the class token, and a norm inside the attention.
TransformerShape clip(TransformerShape shape) {
  shape = apart(shape);
  shape.attention_norm = true;
  shape.pool = Pool::Token;
  shape.norm_after_pool = false;
  return shape;
}

TransformerShape enormous() {
  auto shape = eva({1792, 64, 16, 14, 224, 15360}, Pool::Token);
  shape.post_norm = true;
  return shape;
}

/// The plain ViT-L that EVA was distilled into.
TransformerShape averaged_vit(TransformerShape shape) {
  shape.pool = Pool::Average;
  shape.norm_after_pool = true;
  return shape;
}

TransformerShape post_norm_test() {
  auto shape = eva({32, 2, 2, 8, 32}, Pool::Token);
  shape.post_norm = true;
  return shape;
}

const std::vector<TransformerRow>& rows() {
  static const std::vector<double> mean{0.48145466, 0.4578275, 0.40821073}, std{0.26862954, 0.26130258, 0.27577711};
  static const Inputs cut{mean, std, 0.9}, whole{mean, std, 1.0}, imagenet{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}, 1.0};
  static const auto mim = "mim_in22k", tuned = "mim_in22k_ft_in1k", tuned_twice = "mim_in22k_ft_in22k_in1k", merged = "merged2b";
  const auto tiny = [](int64_t image) { return packed({192, 12, 3, 14, image, 512}); };
  const auto small = [](int64_t image) { return packed({384, 12, 6, 14, image, 1024}); };
  const auto base = [](int64_t image) { return apart({768, 12, 12, 14, image, 2048}); };
  const auto large = [](int64_t image) { return apart({1024, 24, 16, 14, image, 2730}); };
  const auto giant = [](int64_t image, Pool pool = Pool::Average) { return eva({1408, 40, 16, 14, image, 6144}, pool); };
  static const std::vector<TransformerRow> table{
      {"eva02_packed_test", packed({32, 2, 2, 8, 32, 80}), cut, ""},
      {"eva02_test", clip({32, 2, 2, 8, 32, 85}), cut, ""},
      {"eva_test", post_norm_test(), cut, ""},
      {"eva02_tiny_patch14_224", tiny(224), cut, mim},
      {"eva02_tiny_patch14_336", tiny(336), whole, tuned},
      {"eva02_small_patch14_224", small(224), cut, mim},
      {"eva02_small_patch14_336", small(336), whole, tuned},
      {"eva02_base_patch14_224", base(224), cut, mim},
      {"eva02_base_patch14_448", base(448), whole, tuned_twice},
      {"eva02_base_patch16_clip_224", clip({768, 12, 12, 16, 224, 2048}), cut, merged},
      {"eva02_large_patch14_224", large(224), cut, mim},
      {"eva02_large_patch14_448", large(448), whole, tuned_twice},
      {"eva02_large_patch14_clip_224", clip({1024, 24, 16, 14, 224, 2730}), cut, merged},
      {"eva02_large_patch14_clip_336", clip({1024, 24, 16, 14, 336, 2730}), whole, merged},
      {"eva02_enormous_patch14_clip_224", enormous(), cut, "laion2b"},
      {"eva_large_patch14_196", averaged_vit({1024, 24, 16, 14, 196}), whole, "in22k_ft_in22k_in1k"},
      {"eva_large_patch14_336", averaged_vit({1024, 24, 16, 14, 336}), whole, "in22k_ft_in22k_in1k"},
      {"eva_giant_patch14_224", giant(224), cut, "clip_ft_in1k"},
      {"eva_giant_patch14_336", giant(336), whole, "clip_ft_in1k"},
      {"eva_giant_patch14_560", giant(560), imagenet, "m30m_ft_in22k_in1k"},
      {"eva_giant_patch14_clip_224", giant(224, Pool::Token), cut, "laion400m"},
  };
  return table;
}

}  // namespace

const BackboneFamily& eva_family() {
  static const BackboneFamily family{
      transformer_entries("eva", "Fang et al. 2022, arXiv 2211.07636; EVA-02: 2023, arXiv 2303.11331", "MIT", rows()),
      [](const std::string& name, const Options& options) { return make_transformer(rows(), name, options); }};
  return family;
}

}  // namespace trivium::nn
